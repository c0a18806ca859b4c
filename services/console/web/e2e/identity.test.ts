import { readFile } from "node:fs/promises";
import path from "node:path";
import type { Browser, Page, Response } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, test } from "vitest";
import { Programs, proxy } from "./apart";
import { expect, launch, open } from "./kit";
import { Provider } from "./provider";
import { freePort } from "./server";

// Tests the instructions of docs/identity for each provider: a certified provider issues tokens of the shape that the
// page shows, and the three programs have the configuration that it shows.

const secret = "a secret of the workload";

interface Row {
  value: string;
  role: string;
  workspaces: string[];
}

/** A page of docs/identity, parsed. */
class Documented {
  private constructor(private readonly text: string) {}

  static async read(name: string): Promise<Documented> {
    return new Documented(
      await readFile(path.resolve(import.meta.dirname, "../../../../docs/identity", `${name}.md`), "utf8"),
    );
  }

  /** The block of YAML that starts with a key. */
  yaml(key: string): string {
    const found = this.#blocks("yaml").filter((block) => block.startsWith(`${key}:\n`));
    if (found.length !== 1) throw new Error(`there are ${found.length} blocks of ${key}`);
    return found[0] ?? "";
  }

  /** The setting in a block, such as `audience`. */
  setting(block: string, key: string): string {
    const found = new RegExp(`^[ -]*${key}: (\\S+)$`, "m").exec(this.yaml(block))?.[1];
    if (!found) throw new Error(`${block} has no ${key}`);
    return found;
  }

  /** The claims of a person's token and of a workload's token. */
  get tokens(): [object, { sub: string }] {
    const [person, workload] = this.#blocks("json").map((block) => JSON.parse(block) as { sub: string });
    if (!person || !workload) throw new Error("a token is missing");
    return [person, workload];
  }

  /** The rows for people. */
  get people(): Row[] {
    const list = /^people:\n((?: .*\n)+)/m.exec(this.yaml("people"))?.[1] ?? "";
    return list
      .trimEnd()
      .split("\n")
      .map((line) => {
        const { value, role, workspaces } =
          /value: (?<value>[^,}]+), role: (?<role>\w+)(?:, workspaces: \[(?<workspaces>[^\]]+)\])?/.exec(line)
            ?.groups ?? {};
        if (!value || !role) throw new Error(`cannot read ${line}`);
        return { value, role, workspaces: workspaces?.split(", ") ?? [] };
      });
  }

  #blocks(language: string): string[] {
    return [...this.text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map((m) => m[1] ?? "");
  }
}

/** The response of GET /v1/caller for the principals of a row. */
const callerOf = (row: Row): object =>
  row.role === "super_admin"
    ? { superAdmin: true }
    : {
        superAdmin: false,
        workspaces: row.workspaces.map((w) => ({
          workspace: `workspaces/${w}`,
          roles: [`ROLE_${row.role.toUpperCase()}`],
        })),
      };

let browser: Browser;

beforeAll(async () => {
  browser = await launch();
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((c) => c.close()));
});

afterAll(async () => {
  await browser?.close();
});

describe.each([
  { name: "openid", header: { typ: "at+jwt" } },
  { name: "entra", header: { typ: "JWT" } },
  { name: "okta", header: {} },
  { name: "keycloak", header: { typ: "JWT" } },
])("as docs/identity says of $name", ({ name, header }) => {
  let programs: Programs;
  let provider: Provider;
  let documented: Documented;
  let workload: { sub: string };

  beforeAll(async () => {
    [programs, documented] = await Promise.all([Programs.prepare(), Documented.read(name)]);
    const written = documented.setting("auth", "- url");
    const issuer = `https://localhost:${await freePort()}${new URL(written).pathname}`;
    const here = (text: string) =>
      text.replaceAll(written, issuer).replace("/etc/keyward/policy.yaml", programs.path("policy.yaml"));
    const [person, job] = documented.tokens;
    workload = job;
    const owner = documented.people[0];
    const clients = [
      {
        client_id: documented.setting("console", "client_id"),
        token_endpoint_auth_method: "none",
        grant_types: ["authorization_code", "refresh_token"],
        redirect_uris: [`${programs.url}/signed-in`],
        post_logout_redirect_uris: [`${programs.url}/`],
      },
      {
        client_id: "workload",
        client_secret: secret,
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ];
    // One person for each row: the page's example with the row's value. The last one matches no row.
    const people = [...documented.people.map((row) => row.value), "nobody"].map((value) => [
      value,
      JSON.parse(JSON.stringify(person).replace(`"${owner?.value}"`, JSON.stringify(value))) as object,
    ]);
    provider = await Provider.start(programs.folder, {
      issuer,
      header,
      clients,
      certificate: programs.path("server.crt"),
      key: programs.path("server.key"),
      audience: documented.setting("auth", "audience"),
      lifetime: 300,
      tokens: { ...Object.fromEntries(people), workload: job },
    });
    const auth = here(documented.yaml("auth")).replace(
      /^( +)audience:.*$/m,
      `$&\n$1ca_file: ${programs.path("ca.pem")}`,
    );
    await programs.run(
      {
        "policy.yaml": `${here(documented.yaml("people"))}  - ${JSON.stringify(proxy)}\n`,
        "vault.yaml": programs.common("vault") + auth,
        "allowlist.yaml": programs.common("allowlist") + auth,
        "gateway.yaml": programs.common("gateway") + here(documented.yaml("console")),
      },
      await provider.workloadToken("workload", secret, "keyward"),
    );
  }, 120_000);

  afterAll(async () => {
    await provider?.stop();
    await programs?.stop();
  });

  /** Signs in at the provider and returns the API's description of the caller. */
  async function signIn(page: Page, who: string): Promise<unknown> {
    await page.goto(programs.url);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByPlaceholder("Enter any login").fill(who);
    await page.getByPlaceholder("and password").fill("any");
    const told = (response: Response) => response.url() === `${programs.url}/v1/caller` && response.ok();
    const [response] = await Promise.all([
      page.waitForResponse(told),
      page.getByRole("button", { name: "Sign-in" }).click(),
    ]);
    return response.json();
  }

  test("each row of the policy gives its role to people who sign in to the console", async () => {
    const callers = documented.people.map(async (row) => signIn(await (await open(browser)).newPage(), row.value));
    expect(await Promise.all(callers)).toMatchObject(documented.people.map(callerOf));
  });

  test("an owner reaches the page of the workspace, and a reload stays signed in", async () => {
    const page = await (await open(browser)).newPage();
    await signIn(page, documented.people[0]?.value ?? "");
    for (const turn of ["first", "reload"]) {
      await page.goto(`${programs.url}/w/payments/secrets`);
      await page.getByRole("heading", { name: "No secrets yet" }).waitFor();
      expect(await page.getByRole("button", { name: "Store New Secret" }).first().isEnabled(), turn).toBe(true);
    }
  });

  test("people in no row may do nothing", async () => {
    const page = await (await open(browser)).newPage();
    expect(await signIn(page, "nobody")).toMatchObject({ superAdmin: false, workspaces: [] });
  });

  test("a workload with client credentials is the sender that the policy names, and no more", async () => {
    const token = await provider.workloadToken("workload", secret, "keyward");
    const { status, body } = await programs.call("GET", "caller", token);
    expect([status, body]).toMatchObject([
      200,
      {
        subject: `${provider.settings.issuer}#${workload.sub}`,
        superAdmin: false,
        workspaces: [{ workspace: "workspaces/payments", roles: ["ROLE_SENDER"] }],
      },
    ]);
    expect(
      (
        await programs.call("POST", "workspaces/payments/endpoints:checkUrl", token, {
          method: "POST",
          url: "https://api.example-bank.test/",
        })
      ).status,
    ).toBe(200);
    expect((await programs.call("GET", "workspaces/payments/secrets", token)).status).toBe(403);
  });
});
