/**
 * The chat example as people use it: two windows, one conversation, no reload.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { PASSWORD, Person, openBrowser } from "./person.mjs";
import { Server } from "./server.mjs";

let browser;
before(async () => {
  browser = await openBrowser();
});
after(() => browser?.close());

async function serving(options, work) {
  const server = await Server.start("chat", options);
  try {
    await work(server);
  } finally {
    await server.stop();
  }
}

test("chat: two people talk, live", () =>
  serving({}, async (server) => {
    const ada = await Person.arrive(browser, server.url);
    const jun = await Person.arrive(browser, server.url, { colorScheme: "dark" });
    await ada.screenshot("welcome");
    await jun.screenshot("welcome-dark");
    await ada.signUp("Ada Okafor");
    await jun.signUp("Jun Tanaka");
    await jun.page.getByText("No rooms yet").waitFor();

    await ada.makeRoom("Harbour café");
    await ada.say("Is anybody here?");
    assert.equal(await jun.room("Harbour café").count(), 0, "a room is for its members only");

    await ada.addPeople("Jun Tanaka");
    await jun.room("Harbour café").waitFor();
    await jun.openRoom("Harbour café");
    await jun.sees("Is anybody here?");
    await jun.say("Now I am.");
    await ada.sees("Now I am.");
    await ada.say("<img src=x onerror=alert(1)> & \"quotes\"");
    await jun.sees("<img src=x onerror=alert(1)> & \"quotes\"");
    assert.equal(await jun.page.getByRole("log").locator("img").count(), 0, "what people write never becomes markup");

    await jun.say("Oops, wrong room.");
    await ada.sees("Oops, wrong room.");
    await jun.deletes("Oops, wrong room.");
    await ada.seesNoMore("Oops, wrong room.");
    await jun.seesNoMore("Oops, wrong room.");

    await ada.page.reload();
    await ada.inRoom("Harbour café");
    await ada.sees("Now I am.");
    await ada.screenshot("two-people");
    await jun.screenshot("two-people-dark");
    [ada, jun].forEach((person) => person.isContent());
  }));

test("chat: a window finds its way back when the server returns", () =>
  serving({}, async (server) => {
    const ada = await Person.arrive(browser, server.url);
    const jun = await Person.arrive(browser, server.url);
    await jun.signUp("Jun Tanaka");
    await ada.signUp("Ada Okafor");
    await ada.makeRoom("Hills", "Jun Tanaka");
    await jun.openRoom("Hills");
    await server.stop();
    await ada.page.getByRole("status").getByText("Connecting").waitFor();
    await server.resume();
    await ada.isLive();
    await jun.isLive();
    await ada.say("Back again.");
    await jun.sees("Back again.");
    [ada, jun].forEach((person) => person.isContent());
  }));

test("chat: what goes wrong is told beside what it is about", () =>
  serving({}, async (server) => {
    const ada = await Person.arrive(browser, server.url);
    await ada.enter("ada@example.org", "not her password");
    const alert = ada.page.getByRole("alert").filter({ visible: true });
    await alert.waitFor();
    assert.match(await alert.innerText(), /\w+/);

    await ada.page.getByRole("button", { name: "Create account" }).first().click();
    await ada.page.getByLabel("Your name").fill("Ada Okafor");
    await ada.enter("ada@example.org", "short");
    const password = ada.page.getByLabel("Password");
    await ada.page.locator("#password-error:not(:empty)").waitFor();
    assert.equal(await password.getAttribute("aria-invalid"), "true");
    await ada.screenshot("welcome-refused");

    await ada.enter("ada@example.org", PASSWORD);
    await ada.page.getByRole("heading", { name: "Chat", exact: true }).waitFor();
    await ada.page.getByRole("button", { name: "Sign out" }).click();
    await ada.page.getByRole("heading", { name: "Good to see you" }).waitFor();
    assert.equal(await ada.page.evaluate(() => localStorage.length), 0, "signing out leaves nothing behind");
    ada.isContent();
  }));

test("chat: a session renews itself, and says so when it has ended", () =>
  serving({}, async (server) => {
    const ada = await Person.arrive(browser, server.url);
    await ada.signUp("Ada Okafor");
    await ada.makeRoom("Notes");
    const before = await ada.changeSession({ expiresAt: 0 });
    await ada.page.reload();
    await ada.inRoom("Notes");
    await ada.say("Still here.");
    const renewed = await ada.changeSession({ expiresAt: 0, refreshToken: "not a token" });
    assert.notEqual(renewed.refreshToken, before.refreshToken, "a refresh token is used once");

    await ada.page.reload();
    await ada.page.getByRole("alert").getByText("Your session has ended").waitFor();
    assert.equal(await ada.message("Still here.").count(), 0, "what was open is gone");
    ada.isContent();
  }));

test("chat: earlier messages are a click away, and reading them is not disturbed", () =>
  serving({}, async (server) => {
    const ada = await Person.arrive(browser, server.url);
    const jun = await Person.arrive(browser, server.url);
    await jun.signUp("Jun Tanaka");
    await ada.signUp("Ada Okafor");
    await ada.makeRoom("Archive", "Jun Tanaka");
    await ada.saysWithoutThePage(Array.from({ length: 60 }, (_, index) => `Entry ${index + 1}`));
    await jun.page.reload();
    await jun.openRoom("Archive");
    await jun.sees("Entry 60");
    assert.equal(await jun.message("Entry 10").count(), 0, "a page is fifty messages");

    await jun.page.getByRole("button", { name: "Earlier messages" }).click();
    await jun.sees("Entry 1");
    assert.equal(await jun.page.getByRole("log").locator(".message").count(), 60);
    assert.ok(await jun.page.getByRole("button", { name: "Earlier messages" }).isHidden(), "there is nothing before the first");

    await jun.message("Entry 1").scrollIntoViewIfNeeded();
    await ada.say("Entry 61");
    await jun.page.getByRole("button", { name: "New messages" }).click();
    await jun.sees("Entry 61");
    await jun.page.getByRole("button", { name: "New messages" }).waitFor({ state: "hidden" });
    [ada, jun].forEach((person) => person.isContent());
  }));

test("chat: the seed data, a moderator, and a phone", () =>
  serving({ seed: true }, async (server) => {
    const ada = await Person.arrive(browser, server.url, { deviceScaleFactor: 2 });
    await ada.signIn("ada@example.com", "ninefold-example");
    await ada.openRoom("Harbour café");
    await ada.sees("Then we open on the 20th. I can hardly believe it.");

    const jun = await Person.arrive(browser, server.url);
    await jun.signIn("jun@example.com", "ninefold-example");
    await jun.openRoom("Harbour café");
    await jun.say("The new timetable is out: the first ferry lands at ten to eight.");
    await ada.sees("The new timetable is out: the first ferry lands at ten to eight.");
    await ada.say("Then the coffee is ready at half past seven.");
    await ada.screenshot("chat");
    await ada.say("The mistake of the day");

    const theo = await Person.arrive(browser, server.url, { viewport: { width: 390, height: 844 }, hasTouch: true });
    await theo.signIn("theo@example.com", "ninefold-example");
    assert.ok(await theo.fits(), "the list of rooms fits a phone");
    await theo.screenshot("phone-rooms");
    await theo.openRoom("Harbour café");
    assert.ok(await theo.fits(), "the conversation fits a phone");
    await theo.screenshot("phone-room");
    await theo.deletes("The mistake of the day");
    await ada.seesNoMore("The mistake of the day");
    await theo.page.getByRole("link", { name: "Back to the rooms" }).click();
    await theo.room("Weekend in the hills").waitFor();

    const mira = await Person.arrive(browser, server.url, { colorScheme: "dark" });
    await mira.signIn("mira@example.com", "ninefold-example");
    await mira.openRoom("Harbour café");
    assert.equal(await mira.message("Paint arrives on Thursday. I need two pairs of hands from nine.").getByRole("button").count(), 0);
    await mira.screenshot("chat-dark");
    await mira.page.getByRole("button", { name: "Add people" }).click();
    await mira.page.getByRole("checkbox", { name: "Priya Raman" }).check();
    await mira.screenshot("add-people-dark");
    [ada, jun, theo, mira].forEach((person) => person.isContent());
  }));
