/**
 * People in front of a browser: each has a context of their own, so cookies and storage are not shared.
 */

import assert from "node:assert/strict";
import path from "node:path";
import { chromium } from "playwright-core";

import { output, setting } from "./server.mjs";

const PATIENCE_MS = 10_000;
export const PASSWORD = "a long enough passphrase";

export function openBrowser() {
  return chromium.launch({
    executablePath: setting("NINEFOLD_CHROMIUM"),
    // CI runs as root, where Chromium's sandbox can't.
    chromiumSandbox: false,
    args: ["--disable-gpu", "--disable-sync", "--no-first-run"],
  });
}

export class Person {
  /** Opens `url` in a window of their own. `options` are Playwright's, such as `colorScheme` and `viewport`. */
  static async arrive(browser, url, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const person = new Person(await context.newPage(), url);
    await person.page.goto(url);
    return person;
  }

  constructor(page, url) {
    this.page = page;
    /** What must not happen on a page: errors, and requests to anywhere else. */
    this.complaints = [];
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${url}/`)) {
        this.complaints.push(`a request to ${request.url()}`);
      }
    });
  }

  async signUp(name) {
    await this.page.getByRole("button", { name: "Create account" }).first().click();
    await this.page.getByLabel("Your name").fill(name);
    await this.enter(`${name.toLowerCase().replaceAll(" ", ".")}@example.org`, PASSWORD);
    await this.page.getByRole("heading", { name: "Chat", exact: true }).waitFor();
  }

  async signIn(email, password) {
    await this.enter(email, password);
    await this.page.getByRole("heading", { name: "Chat", exact: true }).waitFor();
  }

  /** Fills in the card and sends it, whatever comes of it. */
  async enter(email, password) {
    await this.page.getByLabel("Email").fill(email);
    await this.page.getByLabel("Password").fill(password);
    await this.page.locator("#welcome-form [type=submit]").click();
  }

  async makeRoom(name, ...people) {
    await this.page.getByRole("button", { name: "New room" }).first().click();
    await this.page.getByLabel("Name", { exact: true }).fill(name);
    await this.pick(people);
    await this.page.getByRole("button", { name: "Make room" }).click();
    await this.inRoom(name);
  }

  async addPeople(...people) {
    await this.page.getByRole("button", { name: "Add people" }).click();
    await this.pick(people);
    await this.page.getByRole("button", { name: "Add", exact: true }).click();
    await this.page.locator("#room-dialog").waitFor({ state: "hidden" });
  }

  async pick(people) {
    for (const name of people) {
      await this.page.getByLabel("People", { exact: true }).fill(name.split(" ")[0].toLowerCase());
      await this.page.getByRole("checkbox", { name }).check();
    }
  }

  room(name) {
    return this.page.getByRole("navigation").getByRole("link", { name });
  }

  async openRoom(name) {
    await this.room(name).click();
    await this.inRoom(name);
  }

  async inRoom(name) {
    await this.page.getByRole("heading", { name, level: 2 }).waitFor();
    await this.isLive();
  }

  async isLive() {
    await this.page.getByRole("status").getByText("Live").waitFor();
  }

  async say(text) {
    await this.page.getByLabel("Message", { exact: true }).fill(text);
    await this.page.keyboard.press("Enter");
    await this.sees(text);
  }

  /** Alters what the page remembers of the session, for when it is loaded again; returns what it was. */
  async changeSession(changes) {
    return this.page.evaluate((changes) => {
      const [key, text] = Object.entries(localStorage)[0];
      const session = JSON.parse(text);
      localStorage.setItem(key, JSON.stringify({ ...session, ...changes }));
      return session;
    }, changes);
  }

  /** Many messages to the open room, as a program in this person's name would send them. */
  async saysWithoutThePage(texts) {
    await this.page.evaluate(async (bodies) => {
      const { request } = await import("/session.js");
      const room = location.hash.replace("#room/", "");
      for (const body of bodies) {
        await request("POST", "/api/messages", { room, body });
      }
    }, texts);
  }

  message(text) {
    return this.page.getByRole("log").locator(".message").filter({ has: this.page.getByText(text, { exact: true }) });
  }

  async sees(text) {
    await this.message(text).waitFor();
    assert.equal(await this.message(text).count(), 1, `“${text}” is there once`);
  }

  async seesNoMore(text) {
    await this.message(text).waitFor({ state: "detached" });
  }

  async deletes(text) {
    await this.message(text).hover();
    await this.message(text).getByRole("button", { name: "Delete this message" }).click();
    await this.page.locator("#delete-dialog").getByRole("button", { name: "Delete" }).click();
  }

  async screenshot(name) {
    await this.page.mouse.move(0, 0);
    await this.page.screenshot({ path: path.join(output, `${name}.png`), animations: "disabled" });
  }

  /** Whether all fits into the window's width. */
  async fits() {
    return this.page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
  }

  isContent() {
    assert.deepEqual(this.complaints, []);
  }
}
