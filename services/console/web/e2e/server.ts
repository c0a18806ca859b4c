import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import https from "node:https";
import net from "node:net";
import os from "node:os";
import path from "node:path";

/** The users that a link signs in. */
export type Role = "owner" | "member" | "admin";

export const binary = process.env.KEYWARD_STANDALONE ?? path.resolve(import.meta.dirname, "../../../../bin/standalone");

/** A fresh Keyward in its own folder, for the tests of one file. */
export class Server {
  #process!: ChildProcess;
  #output = "";
  #agent: https.Agent | undefined;

  private constructor(
    readonly folder: string,
    readonly ports: { json: number; grpc: number },
  ) {}

  get url(): string {
    return `https://127.0.0.1:${this.ports.json}`;
  }

  /** The gRPC address. */
  get grpcUrl(): string {
    return `https://127.0.0.1:${this.ports.grpc}`;
  }

  static async start(): Promise<Server> {
    const folder = await mkdtemp(path.join(os.tmpdir(), "keyward-console-"));
    const server = new Server(folder, { json: await freePort(), grpc: await freePort() });
    await server.#run();
    return server;
  }

  async #run(): Promise<void> {
    const { folder, ports } = this;
    this.#output = "";
    this.#process = spawn(
      binary,
      [
        "--dir",
        folder,
        "--json",
        `127.0.0.1:${ports.json}`,
        "--grpc",
        `127.0.0.1:${ports.grpc}`,
        "--metrics",
        "",
        "--log-level",
        "error",
      ],
      { stdio: ["pipe", "pipe", "inherit"] },
    );
    this.#process.stdout?.on("data", (chunk: Buffer) => (this.#output += chunk.toString()));
    await this.#printed(/Keyward is ready/);
  }

  async #end(): Promise<void> {
    this.#agent?.destroy();
    this.#agent = undefined;
    const ended = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill("SIGTERM");
    await ended;
  }

  /** Stops, changes the folder, and starts again. */
  async restart(change: () => Promise<void>): Promise<void> {
    await this.#end();
    await change();
    await this.#run();
  }

  async stop(): Promise<void> {
    await this.#end();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** A fresh one-time sign-in link. */
  async link(role: Role): Promise<string> {
    const from = this.#output.length;
    this.#process.stdin?.write("\n");
    const found = await this.#printed(new RegExp(`^\\s*${role}\\s+(https:\\S+)\\s*$`, "m"), from);
    return found[1] ?? "";
  }

  async #printed(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (let i = 0; i < 600; i++) {
      const found = pattern.exec(this.#output.slice(from));
      if (found) return found;
      if (this.#process.exitCode !== null) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`standalone did not print ${String(pattern)}:\n${this.#output}`);
  }

  /** Calls the API in a role, without the page. */
  async api(role: Role | "sender", method: string, resource: string, body?: unknown): Promise<Record<string, never>> {
    const token = (await readFile(path.join(this.folder, "access", `${role}.token`), "utf8")).trim();
    this.#agent ??= new https.Agent({
      keepAlive: true,
      maxSockets: 64,
      ca: await readFile(path.join(this.folder, "access", "ca.pem")),
    });
    const agent = this.#agent;
    return new Promise((resolve, reject) => {
      const request = https.request(
        `${this.url}/v1/${resource}`,
        {
          method,
          agent,
          headers: {
            Authorization: `Bearer ${token}`,
            ...(body === undefined ? {} : { "Content-Type": "application/json" }),
          },
        },
        (response) => {
          let text = "";
          response.on("data", (chunk: Buffer) => (text += chunk.toString()));
          response.on("end", () => {
            if ((response.statusCode ?? 500) < 300) resolve(JSON.parse(text) as Record<string, never>);
            else reject(new Error(`${method} ${resource}: ${response.statusCode} ${text}`));
          });
        },
      );
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }

  /** Stores a secret without the page. */
  storeSecret(id: string, secret: object = {}): Promise<Record<string, never>> {
    return this.api("owner", "POST", `workspaces/demo/secrets?secretId=${id}`, {
      value: { generate: { kind: "KIND_AES_256" } },
      ...secret,
    });
  }

  /** Registers an endpoint that the platform may call, without the page. */
  async addActiveEndpoint(id: string, endpoint: object = {}): Promise<void> {
    await this.addEndpoint(id, endpoint);
    await this.api("admin", "POST", `workspaces/demo/endpoints/${id}:approve`, {});
    await this.api("owner", "POST", `workspaces/demo/endpoints/${id}:activate`, {});
  }

  /** Encrypts a message for an endpoint, as the platform does, and returns the body in base64. */
  async encrypt(id: string, body: string): Promise<string> {
    const made = await this.api("sender", "POST", `workspaces/demo/endpoints/${id}:encrypt`, {
      body: Buffer.from(body).toString("base64"),
    });
    return String((made as { body?: string }).body);
  }

  /** Lets an endpoint decrypt a body of the partner, in base64, and returns whether it succeeded. */
  decrypt(id: string, body: string): Promise<boolean> {
    return this.api("sender", "POST", `workspaces/demo/endpoints/${id}:decrypt`, {
      body,
      kind: "MESSAGE_KIND_REQUEST",
    }).then(
      () => true,
      () => false,
    );
  }

  /** Registers an endpoint without the page. */
  addEndpoint(id: string, endpoint: object = {}): Promise<Record<string, never>> {
    return this.api("owner", "POST", `workspaces/demo/endpoints?endpointId=${id}`, {
      url: `https://${id}.partner.test/v1`,
      methods: ["POST"],
      ...endpoint,
    });
  }
}

/** An encryption with a stored key, in its current version or a pinned one. */
export const encryptedWith = (secret: string, version?: number): object => ({
  request: {
    cipher: {
      algorithm: "ALGORITHM_AES_256_GCM",
      sharedKey: { keys: [{ name: `workspaces/demo/secrets/${secret}`, version }] },
    },
  },
});

// Ports below the kernel's ephemeral range, which starts at 32768.
const [firstPort, lastPort] = [10_000, 32_000];

/** A free port that stays free until the program starts. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = firstPort + Math.floor(Math.random() * (lastPort - firstPort));
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = net.createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
