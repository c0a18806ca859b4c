import { copyFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { beforeAll, describe, test } from "vitest";
import { expect, picture, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();
beforeAll(async () => {
  await kit.server.storeSecret("bank-key");
  await kit.server.addEndpoint("bank", { encryption: encryptedWith("bank-key") });
  const [file, backup] = ["vault.db", "backup.db"].map((name) => path.join(kit.server.folder, "data", name)) as [
    string,
    string,
  ];
  await kit.server.restart(() => copyFile(file, backup));
  await kit.server.storeSecret("stored-after-the-backup");
  await accept(); // the allowlist has then verified this state of the vault
  await kit.server.restart(() => copyFile(backup, file));
});

/** Confirms the state of the vault, as the hint of the console says. */
const accept = () =>
  kit.server.api("admin", "POST", "workspaces/-/allowlist/vaultCheckpoint:accept", {
    reason: "restored from a backup",
  });

/** The message on the page says what happened and what to do. */
async function explained(page: Page): Promise<void> {
  const said = page.locator("main").getByRole("alert");
  await said.getByText("The vault was rolled back or replaced", { exact: true }).waitFor();
  const text = await said.innerText();
  expect(text).toContain("Its change log does not continue the last state that the allowlist verified");
  expect(text).toContain("a super admin confirms the restore with AcceptVaultCheckpoint");
  expect(text).toContain("POST /v1/workspaces/-/allowlist/vaultCheckpoint:accept");
  expect(text).toContain("Otherwise, contact your security team.");
  // Not the text of the API, and no code.
  expect(text).not.toMatch(/VAULT_ROLLED_BACK|UNAVAILABLE/);
}

const save = async (page: Page): Promise<void> => {
  await page.getByLabel("URL").fill("https://moved.partner.test/v1");
  await page.getByRole("button", { name: "SAVE" }).click();
};

// The last test confirms the restore.
describe("a vault that was rolled back", { retry: 0 }, () => {
  test("is the reason why a change of an endpoint is refused", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/edit" });
    await save(page);
    await explained(page);
    await picture(page, "vault-rolled-back");
  });

  test("is the reason why a test with live keys fails", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/test" });
    await page.getByRole("switch", { name: "Use the live keys" }).check();
    await page.getByRole("textbox", { name: "Reason", exact: true }).fill("compare with the bank");
    await page.getByRole("button", { name: "Run test" }).click();
    await explained(page);
  });

  test("is used again after a super admin did what the message says", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank/edit" });
    await save(page);
    await explained(page);
    await accept();
    await page.getByRole("button", { name: "SAVE" }).click();
    await page.getByText("https://moved.partner.test/v1").first().waitFor();
  });
});
