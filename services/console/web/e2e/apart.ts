import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { Issuer } from "./issuer";
import { binary, freePort, Server } from "./server";

const audience = "keyward-api";

/** The three programs, each with its own configuration. */
export class Programs {
  #running: ChildProcess[] = [];

  private constructor(
    readonly folder: string,
    /** The address of the gateway. */
    readonly url: string,
    readonly ports: { gateway: number; vault: number; allowlist: number },
  ) {}

  /** Creates a folder with identities. Nothing runs in it yet. */
  static async prepare(): Promise<Programs> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "keyward-apart-"));
    await takeIdentities(folder);
    const ports = { gateway: await freePort(), vault: await freePort(), allowlist: await freePort() };
    return new Programs(folder, `https://127.0.0.1:${ports.gateway}`, ports);
  }

  path(name: string): string {
    return path.join(this.folder, name);
  }

  /** The configuration that the programs need for any way to sign in, as YAML. */
  common(name: "vault" | "allowlist" | "gateway"): string {
    const at = (file: string) => this.path(file);
    const { ports } = this;
    const client = { certificate: at("client.crt"), key: at("client.key") };
    const vault = `127.0.0.1:${ports.vault}`;
    const settings: object =
      name === "gateway"
        ? {
            tls: { certificate: at("server.crt"), key: at("server.key") },
            vault,
            allowlist: `127.0.0.1:${ports.allowlist}`,
            client,
            ca: at("ca.pem"),
          }
        : {
            tls: {
              certificate: at("server.crt"),
              key: at("server.key"),
              client_trust: at("ca.pem"),
              trust_domain: "keyward.local",
            },
            store: at(`${name}.db`),
            key_file: at(`${name}.kek`),
            ...(name === "allowlist" ? { vault: { address: vault, ca: at("ca.pem"), ...client } } : {}),
          };
    // JSON is valid YAML.
    return Object.entries({ listen: `127.0.0.1:${ports[name]}`, log: { level: "error" }, ...settings })
      .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
      .join("");
  }

  /** Writes the files, starts the programs, and waits until the API accepts an owner's token. */
  async run(files: Record<string, string>, token: string): Promise<void> {
    for (const [name, text] of Object.entries(files)) await writeFile(this.path(name), text, { mode: 0o600 });
    for (const name of ["vault", "allowlist"])
      execFileSync(program(name), ["create-key", this.path(`${name}.kek`)], { stdio: "pipe" });
    for (const name of ["vault", "allowlist", "gateway"])
      this.#running.push(
        spawn(program(name), ["serve", "--config", this.path(`${name}.yaml`)], {
          stdio: ["ignore", "inherit", "inherit"],
        }),
      );
    for (let i = 0; i < 600; i++) {
      if (this.#running.some((p) => p.exitCode !== null)) break;
      const found = await Promise.all(
        ["secrets", "endpoints"].map((list) => this.call("GET", `workspaces/-/${list}`, token).catch(() => undefined)),
      );
      // A denial by the policy also shows that the program answers.
      if (found.every((answer) => answer && [200, 400, 403].includes(answer.status))) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the programs do not answer");
  }

  /** Calls the API with a token. */
  async call(
    method: string,
    resource: string,
    token: string,
    body?: unknown,
  ): Promise<{ status: number; body: Record<string, unknown> }> {
    const { status, text } = await send(
      `${this.url}/v1/${resource}`,
      await readFile(this.path("ca.pem")),
      {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        },
      },
      body === undefined ? "" : JSON.stringify(body),
    );
    return { status, body: JSON.parse(text) as Record<string, unknown> };
  }

  async stop(): Promise<void> {
    const ended = this.#running
      .filter((p) => p.exitCode === null)
      .map((p) => new Promise((resolve) => p.once("exit", resolve)));
    for (const p of this.#running) p.kill("SIGTERM");
    await Promise.all(ended);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Sends a request to a server whose certificate the authority issued. */
export function send(
  url: string,
  ca: Buffer,
  options: https.RequestOptions,
  body: string,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const request = https.request(url, { ca, ...options }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** The three programs, and an issuer on another site. */
export class Apart {
  private constructor(
    readonly programs: Programs,
    readonly issuer: Issuer,
  ) {}

  get url(): string {
    return this.programs.url;
  }

  static async start(): Promise<Apart> {
    const programs = await Programs.prepare();
    const issuer = await Issuer.start(
      { cert: await readFile(programs.path("server.crt")), key: await readFile(programs.path("server.key")) },
      await freePort(),
    );
    issuer.client.origin = programs.url;
    const apart = new Apart(programs, issuer);
    try {
      await programs.run(apart.#files(), issuer.accessToken("owner", audience));
      return apart;
    } catch (error) {
      await apart.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.programs.stop();
    await this.issuer.stop();
  }

  #files(): Record<string, string> {
    const { programs } = this;
    const { url } = this.issuer;
    const policy = {
      people: [
        { issuer: url, claim: "groups", value: "owners", role: "owner", workspaces: ["demo"] },
        { issuer: url, claim: "groups", value: "members", role: "member", workspaces: ["demo"] },
      ],
      workloads: [proxy],
    };
    const auth = {
      policy: programs.path("policy.yaml"),
      issuers: [{ url, audience, ca_file: programs.path("ca.pem") }],
    };
    const page = { issuer: url, client_id: this.issuer.client.id, scopes: ["openid", "offline_access"], audience };
    return {
      "policy.yaml": JSON.stringify(policy),
      "vault.yaml": `${programs.common("vault")}auth: ${JSON.stringify(auth)}\n`,
      "allowlist.yaml": `${programs.common("allowlist")}auth: ${JSON.stringify(auth)}\n`,
      "gateway.yaml": `${programs.common("gateway")}console: ${JSON.stringify(page)}\n`,
    };
  }
}

// The only certificate that a standalone leaves behind serves as the gateway's here. The allowlist presents it too, and
// resolves nothing.
export const proxy = { spiffe_id: "spiffe://keyward.local/allowlist", role: "proxy" };

const program = (name: string): string => path.join(path.dirname(binary), name);

/** Takes the certificates that a standalone creates on its first start. */
async function takeIdentities(folder: string): Promise<void> {
  const server = await Server.start();
  const files = {
    "ca.pem": "access/ca.pem",
    "server.crt": "keys/server.crt",
    "server.key": "keys/server.key",
    "client.crt": "keys/allowlist-client.crt",
    "client.key": "keys/allowlist-client.key",
  };
  for (const [to, from] of Object.entries(files))
    await writeFile(path.join(folder, to), await readFile(path.join(server.folder, from)), { mode: 0o600 });
  await server.stop();
}
