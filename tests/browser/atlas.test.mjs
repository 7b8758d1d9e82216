/**
 * The atlas example as people use it, with the data that it begins with.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Person, openBrowser } from "./person.mjs";
import { Server } from "./server.mjs";

let browser;
let server;
before(async () => {
  [browser, server] = await Promise.all([openBrowser(), Server.start("atlas", { seed: true })]);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** The rows of the list, as text. */
async function rows(page) {
  return (await page.locator("#cities li").allInnerTexts()).map((text) => text.replaceAll(/\s+/g, " "));
}

async function arrive(options) {
  const person = await Person.arrive(browser, server.url, options);
  await person.page.getByRole("status").getByText("810 cities, in 2 requests").waitFor();
  await person.page.locator("#cities li").first().waitFor();
  return person;
}

test("atlas: the world is drawn, listed and searched", async () => {
  const person = await arrive();
  const { page } = person;
  assert.match((await rows(page))[0], /CN Shanghai 22,315,474 Shanghai, China/);
  assert.equal((await rows(page)).length, 30);
  await page.getByRole("button", { name: "More" }).click();
  await page.locator("#cities li").nth(59).waitFor();
  await person.screenshot("atlas");

  await page.getByLabel("Search for a city").fill("Lis");
  await page.getByRole("button", { name: /^PT Lisbon/ }).waitFor();
  await page.getByLabel("Search for a city").fill("Nowhere at all");
  await page.getByText("Nothing is called that.").waitFor();
  await page.getByLabel("Search for a city").fill("");

  await page.getByLabel("Continent").selectOption("OCEANIA");
  await page.getByRole("button", { name: /^AU Sydney/ }).waitFor();
  await page.getByText("The largest cities: Oceania").waitFor();
  person.isContent();
});

test("atlas: a country by its link, with what is known of it", async () => {
  const person = await Person.arrive(browser, `${server.url}/#NG`, { viewport: { width: 390, height: 844 }, colorScheme: "dark" });
  person.complaints.length = 0;
  const card = person.page.locator("#country");
  await card.getByRole("heading", { name: "Nigeria" }).waitFor();
  assert.match(await card.innerText(), /Capital\s+Abuja/);
  await person.page.getByRole("button", { name: /^NG Lagos/ }).click();
  await person.page.locator("#city").getByRole("heading", { name: "Lagos" }).waitFor();
  assert.ok(await person.fits(), "all fits into a phone's width");
  await person.screenshot("atlas-phone");
});

test("atlas: a list of one's own", async () => {
  const ada = await arrive();
  await ada.page.getByRole("button", { name: "Sign in" }).first().click();
  await ada.page.getByLabel("Email").fill("ada@example.com");
  await ada.page.getByLabel("Password").fill("wrong");
  await ada.page.locator("#sign-in-form [type=submit]").click();
  await ada.page.locator("#sign-in-alert:not(:empty)").waitFor();
  await ada.page.getByLabel("Password").fill("ninefold-example");
  await ada.page.locator("#sign-in-form [type=submit]").click();
  await ada.page.getByRole("button", { name: "Sign out Ada Okafor" }).waitFor();

  await ada.page.getByRole("button", { name: /^TR Istanbul/ }).click();
  const wish = ada.page.locator("#city").getByRole("button", { name: "Want to go" });
  assert.equal(await wish.getAttribute("aria-pressed"), "false");
  await wish.click();
  await ada.page.locator('#city [aria-pressed="true"]').getByText("Want to go").waitFor();
  await ada.page.locator("#city").getByRole("button", { name: "Been there" }).click();
  await ada.page.locator('#city [aria-pressed="true"]').getByText("Been there").waitFor();
  await ada.screenshot("atlas-list");
  await ada.page.locator("#city").getByRole("button", { name: "Been there" }).click();
  await ada.page.locator('#city [aria-pressed="true"]').waitFor({ state: "detached" });

  await ada.page.getByRole("button", { name: "Sign out" }).click();
  await ada.page.getByRole("button", { name: "Sign in" }).first().waitFor();
  await ada.page.getByRole("button", { name: /^TR Istanbul/ }).click();
  assert.equal(await ada.page.locator("#city").getByRole("button", { name: "Been there" }).count(), 0);
});
