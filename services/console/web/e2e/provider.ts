import { type ChildProcess, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { send } from "./apart";

/** The settings of the provider; see openid-provider.mjs. */
export interface Settings {
  issuer: string;
  certificate: string;
  key: string;
  audience: string;
  lifetime: number;
  clients: object[];
  tokens: Record<string, object>;
  header: object;
}

/** A certified OpenID provider, oidc-provider, in its own process. */
export class Provider {
  private constructor(
    readonly settings: Settings,
    private readonly ca: Buffer,
    private readonly process: ChildProcess,
  ) {}

  /** Starts a provider in a folder, with its authority. */
  static async start(folder: string, settings: Settings): Promise<Provider> {
    const file = path.join(folder, "provider.json");
    await writeFile(file, JSON.stringify(settings), { mode: 0o600 });
    const child = spawn(process.execPath, [path.resolve(import.meta.dirname, "openid-provider.mjs"), file], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    await new Promise<void>((resolve, reject) => {
      const read = (chunk: Buffer) => {
        output += chunk.toString();
        if (output.split("\n").includes(settings.issuer)) resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
      child.once("exit", () => reject(new Error(`the provider ended:\n${output}`)));
    });
    return new Provider(settings, await readFile(path.join(folder, "ca.pem")), child);
  }

  /** A token for a workload, from a client credentials grant. */
  async workloadToken(client: string, secret: string, scope: string): Promise<string> {
    const form = new URLSearchParams({
      grant_type: "client_credentials",
      client_id: client,
      client_secret: secret,
      scope,
    });
    const { status, text } = await send(
      `${this.settings.issuer}/token`,
      this.ca,
      { method: "POST", headers: { "Content-Type": "application/x-www-form-urlencoded" } },
      form.toString(),
    );
    if (status !== 200) throw new Error(`no token: ${status} ${text}`);
    return (JSON.parse(text) as { access_token: string }).access_token;
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill("SIGTERM");
    await ended;
  }
}
