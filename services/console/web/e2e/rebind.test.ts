import { randomBytes } from "node:crypto";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import type { Page } from "playwright-core";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { picture, useKit } from "./kit";
import { encryptedWith } from "./server";

const kit = useKit();

/** Confirms the state of the vault. */
const accept = () =>
  kit.server.api("admin", "POST", "workspaces/-/allowlist/vaultCheckpoint:accept", {
    reason: "restored from a backup",
  });

const stateOf = async (id: string): Promise<unknown> =>
  ((await kit.server.api("owner", "GET", `workspaces/demo/endpoints/${id}`)) as { state?: string }).state;

// The backup has neither the secret of the endpoint bank nor the version that the endpoint pinned refers to.
beforeAll(async () => {
  const [file, backup] = ["vault.db", "backup.db"].map((name) => path.join(kit.server.folder, "data", name)) as [
    string,
    string,
  ];
  await kit.server.storeSecret("early");
  await kit.server.restart(() => copyFile(file, backup));
  await kit.server.storeSecret("late");
  await kit.server.api("owner", "PATCH", "workspaces/demo/secrets/early", {
    value: { generate: { kind: "KIND_AES_256" } },
  });
  await kit.server.addActiveEndpoint("bank", { encryption: encryptedWith("late") });
  await kit.server.storeSecret("mac", { value: { text: randomBytes(32).toString("hex") } });
  await kit.server.addActiveEndpoint("signed", {
    encryption: {
      request: {
        signing: {
          mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
          keys: [{ name: "workspaces/demo/secrets/mac", decoding: "DECODING_HEX" }],
          headers: { "X-Signature": "${signature}" },
        },
      },
    },
  });
  await kit.server.addActiveEndpoint("pinned", { encryption: encryptedWith("early", 2) });
  await accept(); // the allowlist has then verified this state of the vault
  await kit.server.restart(() => copyFile(backup, file));
  await accept();
  await vi.waitFor(
    async () =>
      expect(await Promise.all(["bank", "pinned", "signed"].map(stateOf))).toEqual(Array(3).fill("STATE_INACTIVE")),
    { timeout: 20_000, interval: 100 },
  );
});

/** The text of the notice about a loss. */
async function told(page: Page): Promise<string> {
  const notice = page.locator(".notice", { hasText: "This endpoint lost a secret" });
  await notice.waitFor();
  return notice.innerText();
}

// The last test binds an endpoint again.
describe("an endpoint that a restore of the vault switched off", { retry: 0 }, () => {
  test("says which secret to store again", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank" });
    const text = await told(page);
    expect(text).toContain("Messages are refused: a secret that the endpoint refers to no longer exists");
    expect(text).toContain("Store the secret again under the same name");
    expect(text).toMatch(/The endpoint refers to:\s*late/);
    expect(await page.getByRole("button", { name: "Bind again" }).count()).toBe(0);
    await picture(page, "lost-secret");
  });

  test("says which version it pins", async () => {
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/pinned" });
    const text = await told(page);
    expect(text).toContain("Edit the endpoint to refer to a version that exists, and activate it");
    expect(text).toMatch(/The endpoint refers to:\s*early.*2/);
  });

  test("tells members the reason", async () => {
    const page = await kit.signIn("member", { at: "/w/demo/endpoints/bank" });
    await page.getByText(/Messages are refused: a secret that the endpoint refers to no longer exists/).waitFor();
    expect(await page.getByText("This endpoint lost a secret").count()).toBe(0);
  });

  test("is bound again after its secret was stored again", async () => {
    await kit.server.storeSecret("late");
    await kit.server.storeSecret("mac", { value: { text: randomBytes(32).toString("base64url") } });
    const page = await kit.signIn("owner", { at: "/w/demo/endpoints/bank" });
    expect(await told(page)).toContain("The secret exists again");
    await page.getByRole("button", { name: "Bind again" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("2 endpoints of demo can be bound to their secrets again", { exact: false }).waitFor();
    await dialog.getByText("1 endpoint stays inactive:").waitFor();
    await dialog.getByRole("link", { name: "pinned" }).waitFor();
    await dialog.getByLabel("Reason").fill("stored again");
    await picture(page, "bind-again");
    await dialog.getByRole("button", { name: "Bind again" }).click();
    await page.getByText("1 endpoint is bound again.").waitFor();
    // Only the test of the keys shows that the other secret does not fit.
    const failed = dialog.locator(".notice", { hasText: "1 endpoint could not be bound again" });
    await failed.getByRole("link", { name: "signed" }).waitFor();
    expect(await failed.innerText()).toContain("The secret is not valid HEX");
    await picture(page, "bind-again-refused");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await page.locator(".page-head").getByText("Active", { exact: true }).waitFor();
    expect(await page.getByText("This endpoint lost a secret").count()).toBe(0);
    expect(await stateOf("bank")).toBe("STATE_ACTIVE");
    expect(await kit.server.encrypt("bank", "hello")).not.toBe("");
  });
});
