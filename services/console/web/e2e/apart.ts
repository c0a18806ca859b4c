import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import https from "node:https";
import os from "node:os";
import path from "node:path";
import { Issuer } from "./issuer";
import { binary, freePort, Server } from "./server";

const audience = "keyward-api";

/** The three programs, each with its own configuration, and an issuer that is not of them. */
export class Apart {
  #running: ChildProcess[] = [];

  private constructor(
    readonly folder: string,
    readonly url: string,
    readonly issuer: Issuer,
  ) {}

  static async start(): Promise<Apart> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "keyward-apart-"));
    await takeIdentities(folder);
    const [door, vault, allowlist] = [await freePort(), await freePort(), await freePort()];
    const issuer = await Issuer.start({ cert: await readFile(path.join(folder, "server.crt")), key: await readFile(path.join(folder, "server.key")) }, await freePort());
    const apart = new Apart(folder, `https://127.0.0.1:${door}`, issuer);
    issuer.client.origin = apart.url;
    await apart.#configure(door, vault, allowlist);
    for (const name of ["vault", "allowlist"]) execFileSync(program(name), ["create-key", apart.#path(`${name}.kek`)], { stdio: "pipe" });
    for (const name of ["vault", "allowlist", "gateway"]) apart.#running.push(spawn(program(name), ["serve", "--config", apart.#path(`${name}.yaml`)], { stdio: ["ignore", "inherit", "inherit"] }));
    try {
      await apart.#ready();
      return apart;
    } catch (error) {
      await apart.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const ended = this.#running.filter((p) => p.exitCode === null).map((p) => new Promise((resolve) => p.once("exit", resolve)));
    for (const p of this.#running) p.kill("SIGTERM");
    await Promise.all(ended);
    await this.issuer.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return path.join(this.folder, name);
  }

  async #configure(door: number, vault: number, allowlist: number): Promise<void> {
    const at = (name: string) => this.#path(name);
    const { url } = this.issuer;
    const files: Record<string, object> = {
      "policy.yaml": {
        people: [
          { issuer: url, claim: "groups", value: "owners", role: "owner", workspaces: ["demo"] },
          { issuer: url, claim: "groups", value: "members", role: "member", workspaces: ["demo"] },
        ],
        // The one certificate that a standalone leaves behind is the gateway's here; the
        // allowlist shows it too, and resolves nothing.
        workloads: [{ spiffe_id: "spiffe://keyward.local/allowlist", role: "proxy" }],
      },
      "gateway.yaml": {
        listen: `127.0.0.1:${door}`,
        tls: { certificate: at("server.crt"), key: at("server.key") },
        vault: `127.0.0.1:${vault}`,
        allowlist: `127.0.0.1:${allowlist}`,
        client: { certificate: at("client.crt"), key: at("client.key") },
        ca: at("ca.pem"),
        log: { level: "error" },
        console: { issuer: url, client_id: this.issuer.client.id, scopes: ["openid", "offline_access"], audience },
      },
    };
    const service = (name: string, port: number) => ({
      listen: `127.0.0.1:${port}`,
      tls: { certificate: at("server.crt"), key: at("server.key"), client_trust: at("ca.pem"), trust_domain: "keyward.local" },
      auth: { policy: at("policy.yaml"), issuers: [{ url, audience, ca_file: at("ca.pem") }] },
      store: at(`${name}.db`),
      key_file: at(`${name}.kek`),
      log: { level: "error" },
    });
    files["vault.yaml"] = service("vault", vault);
    files["allowlist.yaml"] = { ...service("allowlist", allowlist), vault: { address: `127.0.0.1:${vault}`, ca: at("ca.pem"), certificate: at("client.crt"), key: at("client.key") } };
    // JSON is YAML.
    for (const [name, value] of Object.entries(files)) await writeFile(at(name), JSON.stringify(value), { mode: 0o600 });
  }

  /** Waits until both services answer through the gateway. */
  async #ready(): Promise<void> {
    const ca = await readFile(this.#path("ca.pem"));
    for (let i = 0; i < 600; i++) {
      if (this.#running.some((p) => p.exitCode !== null)) break;
      const found = await Promise.all(["secrets", "endpoints"].map((list) => this.#status(`workspaces/demo/${list}`, ca)));
      if (found.every((status) => status === 200)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error("the programs do not answer");
  }

  #status(resource: string, ca: Buffer): Promise<number> {
    return new Promise((resolve) => {
      const request = https.get(`${this.url}/v1/${resource}`, { ca, headers: { Authorization: `Bearer ${this.issuer.accessToken("owner", audience)}` } }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      });
      request.on("error", () => resolve(0));
    });
  }
}

const program = (name: string): string => path.join(path.dirname(binary), name);

/** Takes the certificates that a standalone makes on its first start. */
async function takeIdentities(folder: string): Promise<void> {
  const server = await Server.start();
  const files = { "ca.pem": "access/ca.pem", "server.crt": "keys/server.crt", "server.key": "keys/server.key", "client.crt": "keys/allowlist-client.crt", "client.key": "keys/allowlist-client.key" };
  for (const [to, from] of Object.entries(files)) await writeFile(path.join(folder, to), await readFile(path.join(server.folder, from)), { mode: 0o600 });
  await server.stop();
}
