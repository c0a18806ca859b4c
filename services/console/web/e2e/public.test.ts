import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { axeFindings, dialog, expect, picture, told, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

// A string that looks like a key but is not one.
const thumbprint = "8f0c1b5a2d9e47f3a6b1c08d7e52f9341b6d0e8c5a7f2394d1e6b80c3f5a7d92";

const save = (page: Page, name = "Save") => page.getByRole("button", { name, exact: true }).click();
const acknowledge = (page: Page, what: string) =>
  page.getByRole("button", { name: `Acknowledge that ${what} is public…` });
const why = (page: Page, what: string) => page.getByRole("textbox", { name: `Why ${what} is public` });
const read = (id: string): Promise<object> => kit.server.api("owner", "GET", `workspaces/demo/endpoints/${id}`);

beforeAll(async () => {
  await kit.server.storeSecret("aad-key");
  for (const id of ["header", "never"])
    await kit.server.addEndpoint(id, { headers: [{ name: "X-Merchant", value: "a" }] });
  await kit.server.addEndpoint("named");
  const { request } = encryptedWith("aad-key") as { request: { cipher: object } };
  await kit.server.addEndpoint("aad", {
    encryption: { request: { cipher: { ...request.cipher, aad: { text: "orders" } } } },
  });
});

describe("an owner says what is public", () => {
  test("of a header, at its input, and it is shown to those who see the endpoint", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/header/edit", bypassCSP: true });
    await page.getByLabel("Value of header 1", { exact: true }).fill(thumbprint);
    await save(page);
    await acknowledge(page, "the value of header 1").waitFor();
    expect(await axeFindings(page), "offered").toEqual([]);
    await acknowledge(page, "the value of header 1").click();
    expect(await axeFindings(page), "asked").toEqual([]);
    await why(page, "the value of header 1").fill("the thumbprint of the merchant's certificate");
    await picture(page, "public-header");
    await save(page);
    await told(page, "header saved.");
    await page.getByText("Public: the thumbprint of the merchant's certificate").waitFor();
    await expect
      .poll(() => read("header"))
      .toMatchObject({
        headers: [
          { name: "X-Merchant", value: thumbprint, publicReason: "the thumbprint of the merchant's certificate" },
        ],
      });

    // A reason without a public value is refused at its input, where it can be removed.
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Value of header 1", { exact: true }).fill("plain");
    await save(page);
    await page.getByText("Must be unset: the value needs no acknowledgement.").first().waitFor();
    await page.getByRole("button", { name: "Remove the reason why the value of header 1 is public" }).click();
    await save(page);
    await told(page, "header saved.");
  });

  test("of a value under a name that usually carries a credential, and never under one that always does", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/named/edit" });
    await page.getByRole("button", { name: "Add query parameter" }).click();
    const source = page.getByRole("radiogroup", { name: "Where query parameter 1 comes from" });
    await page.getByLabel("Name of query parameter 1").fill("client_secret");
    expect(await source.getByRole("radio", { name: "Value" }).isDisabled()).toBe(true);
    await page.getByLabel("Name of query parameter 1").fill("merchant_key");
    await source.getByText("Value", { exact: true }).click();
    await page.getByLabel("Value of query parameter 1", { exact: true }).fill("m-17");
    await why(page, "the value of query parameter 1").fill("the merchant's number");
    await save(page);
    await told(page, "named saved.");
    await expect
      .poll(() => read("named"))
      .toMatchObject({
        queryParameters: [{ name: "merchant_key", value: "m-17", publicReason: "the merchant's number" }],
      });
  });

  test("of the URL; other changes leave it, and another URL needs a reason of its own", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/new-endpoint" });
    await page.getByRole("textbox", { name: "Name", exact: true }).fill("url");
    const url = page.getByRole("textbox", { name: "URL", exact: true });
    await url.fill(`https://url.partner.test/${thumbprint.slice(0, 32)}`);
    await save(page, "Add endpoint");
    await acknowledge(page, "the URL").click();
    await why(page, "the URL").fill("the merchant ID");
    await save(page, "Add endpoint");
    await told(page, "url added.");
    await page.getByText("Public: the merchant ID").waitFor();
    await page.getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Display name").fill("By URL");
    await save(page);
    await told(page, "url saved.");
    await expect.poll(() => read("url")).toMatchObject({ displayName: "By URL", urlPublicReason: "the merchant ID" });

    await page.getByRole("button", { name: "Edit" }).click();
    await why(page, "the URL").fill("the merchant's ID");
    await save(page);
    await told(page, "url saved.");
    await expect.poll(() => read("url")).toMatchObject({ urlPublicReason: "the merchant's ID" });
    await page.getByRole("button", { name: "Edit" }).click();
    await url.fill(`https://url.partner.test/${thumbprint.slice(32)}`);
    expect(await why(page, "the URL").count()).toBe(0);
    await save(page);
    await acknowledge(page, "the URL").waitFor();
  });

  test("of a literal in an encryption, at its input", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/aad/edit", bypassCSP: true });
    const literal = page.locator("[data-path='endpoint.encryption.request.cipher.aad.text']");
    await literal.fill(thumbprint);
    await save(page);
    await page.getByRole("button", { name: "Acknowledge that it is public…" }).click();
    const answer = page.getByRole("group", { name: "Acknowledge Public literal" });
    expect(await axeFindings(page)).toEqual([]);
    await answer.getByLabel("Reason").fill("printed in the partner's manual");
    await picture(page, "public-literal");
    await answer.getByRole("button", { name: "Acknowledge" }).click();
    await page.getByText("Acknowledged as public.").waitFor();
    await save(page);
    await told(page, "aad saved.");
    await page.getByText("Public literal").first().waitFor();
    await expect
      .poll(() => read("aad"))
      .toMatchObject({
        encryption: {
          request: {
            allowLegacy: [
              { flag: "FLAG_PUBLIC_LITERAL", reason: "printed in the partner's manual", fields: ["cipher.aad.text"] },
            ],
          },
        },
      });
  });

  test("but not of what never is", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/never/edit" });
    await page.getByLabel("Value of header 1", { exact: true }).fill(`Bearer ${thumbprint}`);
    await save(page);
    await page.getByText("Must not contain a credential").first().waitFor();
    expect(await page.getByRole("button", { name: /is public…/ }).count()).toBe(0);
    expect(await dialog(page).count()).toBe(0);
  });
});
