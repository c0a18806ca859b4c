import { execFile, execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import https from "node:https";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, test } from "vitest";
import { axeFindings, expect, overflow, picture, useKit } from "./kit";

const root = path.resolve(import.meta.dirname, "../../../..");
const kit = useKit();

/** The last request that the partner received. */
interface Got {
  method?: string;
  url?: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

let partner: https.Server;
let got: Got | undefined;
let bundle = "";

/** A partner that returns the body that it received, which is encrypted with the same key. */
beforeAll(async () => {
  const { server } = kit;
  const [key, certificate] = ["partner.key", "partner.pem"].map((f) => path.join(server.folder, f)) as [string, string];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      key,
      "-out",
      certificate,
    ],
    { stdio: "ignore" },
  );
  bundle = path.join(server.folder, "bundle.pem");
  await writeFile(
    bundle,
    (await readFile(path.join(server.folder, "access/ca.pem"), "utf8")) + (await readFile(certificate, "utf8")),
  );
  partner = https.createServer({ key: await readFile(key), cert: await readFile(certificate) }, (request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      const body = Buffer.concat(parts);
      got = { method: request.method, url: request.url, headers: request.headers, body: body.toString() };
      response.setHeader("X-Signature", request.headers["x-signature"] ?? "");
      response.end(body);
    });
  });
  await new Promise<void>((resolve) => partner.listen(0, "127.0.0.1", resolve));
  const { port } = partner.address() as AddressInfo;
  await server.storeSecret("program-key");
  await server.storeSecret("program-hmac", { value: { generate: { kind: "KIND_HMAC_SHA256" } } });
  await server.storeSecret("program-token", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: [`localhost:${port}`],
    value: { text: `Bearer of "the partner" \\ us` },
  });
  await server.storeSecret("program-query", {
    usage: "USAGE_CREDENTIAL",
    allowedHosts: [`localhost:${port}`],
    value: { text: "a&b=c+d e" },
  });
  const ref = (secret: string) => ({ name: `workspaces/demo/secrets/${secret}` });
  await server.addActiveEndpoint("program", {
    url: `https://localhost:${port}/v1/o'hara`,
    methods: ["PUT", "POST"],
    contentType: "application/json",
    headers: [{ name: "Authorization", secret: ref("program-token") }],
    queryParameters: [{ name: "token", secret: ref("program-query") }],
    encryption: {
      request: {
        cipher: { algorithm: "ALGORITHM_AES_256_GCM", sharedKey: { keys: [ref("program-key")] } },
        envelope: { json: '{"data":"${data}"}' },
        signing: {
          mac: { algorithm: "ALGORITHM_HMAC_SHA256" },
          keys: [ref("program-hmac")],
          input: "${method} ${path} ${body}",
          headers: { "X-Signature": "${signature}" },
        },
      },
    },
  });
});
afterAll(() => new Promise((resolve) => (partner ? partner.close(resolve) : resolve(undefined))));

/** The source of a program, as its button copies it. */
async function copied(page: Page, name: string): Promise<string> {
  await page.getByRole("tab", { name, exact: true }).click();
  await page.getByRole("button", { name: `Copy ${name}`, exact: true }).click();
  return page.evaluate(() => navigator.clipboard.readText());
}

const integrate = async () => {
  const page = await kit.signIn("owner", { at: "/w/demo/endpoints/program" });
  await page.getByRole("tab", { name: "Integrate" }).click();
  return page;
};

/** Runs a program in the folder of the server, like a user who trusts both certificates. */
async function run(
  file: string,
  args: string[],
  more: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { folder } = kit.server;
  const token = (await readFile(path.join(folder, "access/sender.token"), "utf8")).trim();
  const trust = {
    SSL_CERT_FILE: bundle,
    CURL_CA_BUNDLE: bundle,
    NODE_EXTRA_CA_CERTS: bundle,
    KEYWARD_CA: bundle,
    KEYWARD_TOKEN: token,
  };
  const { stdout } = await promisify(execFile)(file, args, {
    cwd: folder,
    timeout: 100_000,
    ...more,
    env: { ...process.env, PATH: `${path.join(root, ".bin")}:${process.env.PATH}`, ...trust, ...more.env },
  });
  return stdout;
}

/** Whether a program must be skipped because one of its tools is missing. In CI that is a failure. */
const lacks = (...tools: string[]): boolean => !process.env.CI && !tools.every(has);

const has = (tool: string): boolean => {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], {
      stdio: "ignore",
      env: { ...process.env, PATH: `${path.join(root, ".bin")}:${process.env.PATH}` },
    });
    return true;
  } catch {
    return false;
  }
};

/** The task of every program: send the message unchanged and print the decrypted response. */
function expectCalled(printed: string): void {
  expect(printed.trim()).toBe('{"amount":100}');
  expect(got).toMatchObject({
    method: "PUT",
    headers: {
      authorization: 'Bearer of "the partner" \\ us',
      "content-type": "application/json",
      "x-signature": expect.stringMatching(/^[0-9a-f]{64}$/),
    },
  });
  expect(new URL(got?.url ?? "", "https://x").pathname).toBe("/v1/o'hara");
  expect(new URL(got?.url ?? "", "https://x").searchParams.get("token")).toBe("a&b=c+d e");
  expect(JSON.parse(got?.body ?? "")).toEqual({ data: expect.any(String) });
}

describe("the program on the page works:", () => {
  test.skipIf(lacks("jq"))("curl", async () => {
    expectCalled(await run("bash", ["-euo", "pipefail", "-c", await copied(await integrate(), "curl")]));
  });

  test("Node.js", async () => {
    await writeFile(path.join(kit.server.folder, "call.mjs"), await copied(await integrate(), "Node.js"));
    expectCalled(await run("node", ["call.mjs"]));
  });

  test.skipIf(lacks("python3"))("Python", async () => {
    await writeFile(path.join(kit.server.folder, "call.py"), await copied(await integrate(), "Python"));
    expectCalled(await run("python3", ["call.py"]));
  });

  test.skipIf(lacks("javac"))("Java", async () => {
    await writeFile(path.join(kit.server.folder, "Call.java"), await copied(await integrate(), "Java"));
    const store = ["-storepass", "changeit", "-keystore", "trust.p12", "-noprompt"];
    await run("keytool", ["-importcert", "-alias", "keyward", "-file", "access/ca.pem", ...store]);
    await run("keytool", ["-importcert", "-alias", "partner", "-file", "partner.pem", ...store]);
    expectCalled(
      await run("java", [
        "-Djavax.net.ssl.trustStore=trust.p12",
        "-Djavax.net.ssl.trustStorePassword=changeit",
        "Call.java",
      ]),
    );
  });

  test.skipIf(lacks("go"))("Go", { timeout: 300_000 }, async () => {
    const file = path.join(kit.server.folder, "main.go");
    await writeFile(file, atServer(await copied(await integrate(), "Go")));
    expectCalled(
      await run("go", ["run", file], { cwd: path.join(root, "services/e2e"), env: { GOEXPERIMENT: "runtimesecret" } }),
    );
  });

  test.skipIf(lacks("grpcurl", "jq"))("grpcurl", async () => {
    await writeFile(path.join(kit.server.folder, "ca.pem"), await readFile(bundle));
    const text = atServer(await copied(await integrate(), "grpcurl"));
    const [encrypt = "", decrypt = ""] = text.split(/^(?=# Decrypt)/m);
    // Between the two, the partner returns the body that it received.
    expect(
      (
        await run("bash", [
          "-euo",
          "pipefail",
          "-c",
          `${encrypt}\njq -r .body message.json | base64 -d > answer.body\n${decrypt}`,
        ])
      ).trim(),
    ).toBe('{"amount":100}');
  });
});

/** The source with the server's gRPC address, which the page does not know. */
const atServer = (text: string): string => text.replace("allowlist.internal:9443", new URL(kit.server.grpcUrl).host);

describe("the tab", () => {
  test("is of members, too, names the role, and is reached by the keyboard", async () => {
    const page = await kit.signIn("member", { at: "/w/demo/endpoints/program" });
    await page.getByRole("tab", { name: "Overview" }).focus();
    for (let i = 0; i < 2; i++) await page.keyboard.press("ArrowRight");
    await page.getByRole("tab", { name: "Integrate", selected: true }).waitFor();
    await page.getByText('role: sender, workspaces: ["demo"], endpoints: ["program"]').first().waitFor();
    await page.getByRole("tab", { name: "curl", exact: true }).focus();
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await page.getByRole("tabpanel").getByText("package main").waitFor();
  });

  test.each([
    ["wide", 1280],
    ["narrow", 390],
  ])("axe finds nothing, %s", async (size, width) => {
    const page = await kit.signIn("owner", {
      bypassCSP: true,
      viewport: { width, height: 860 },
      at: "/w/demo/endpoints/program/integrate",
    });
    await page.getByText("context holds what is signed").waitFor();
    expect(await axeFindings(page)).toEqual([]);
    expect(await overflow(page)).toBe(0);
    await picture(page, `${size}-integrate`);
  });
});
