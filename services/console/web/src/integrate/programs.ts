import { idOf, parseName } from "../api/names";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { isEncrypted } from "../allowlist/words";
import curl from "./curl.txt?url";
import go from "./go.txt?url";
import grpcurl from "./grpcurl.txt?url";
import java from "./java.txt?url";
import node from "./node.txt?url";
import python from "./python.txt?url";
import { t } from "../text/t";
import policy from "./policy.txt?url";

/** A program that calls Encrypt, sends the message, and calls Decrypt; or the policy that allows it. */
export interface Program {
  name: string;
  /** The URL of its source, with placeholders for the parts that differ between endpoints. */
  url: string;
  /** Quotes a string in its language. */
  quote: (text: string) => string;
}

const inShell = (text: string): string => text.replaceAll("'", "'\\''");
const shell = (text: string): string => `'${inShell(text)}'`;

export const programs: Program[] = [
  { name: "curl", url: curl, quote: shell },
  { name: "grpcurl", url: grpcurl, quote: shell },
  { name: "Go", url: go, quote: JSON.stringify },
  { name: "Node.js", url: node, quote: JSON.stringify },
  { name: "Java", url: java, quote: JSON.stringify },
  { name: "Python", url: python, quote: JSON.stringify },
];

export const policyLines: Program = { name: t("integrate.policyWhat"), url: policy, quote: JSON.stringify };

/** A placeholder for the gRPC address, which the page does not know. */
const address = "allowlist.internal:9443";

/** A sample body for an endpoint. */
function sampleOf({ methods, contentType }: EndpointJson): string {
  if (["GET", "HEAD"].includes(methods?.[0] ?? "")) return "";
  if (/xml/.test(contentType ?? "")) return "<amount>100</amount>";
  return /form-urlencoded/.test(contentType ?? "") ? "amount=100" : '{"amount":100}';
}

/** Whether there is something to decrypt or verify in the responses of an endpoint. */
function isOpened({ encryption }: EndpointJson): boolean {
  const response = encryption?.response;
  return response ? isEncrypted(response) || Boolean(response.signing) : isEncrypted(encryption?.request);
}

/** The source of a program for one endpoint. Input of owners is quoted as the language requires. */
export function filled(
  template: string,
  { quote }: Pick<Program, "quote">,
  endpoint: EndpointJson,
  origin: string,
): string {
  const { name = "", methods } = endpoint;
  // A URL that covers all paths below it is called at its base.
  const url = (endpoint.url ?? "").replace(/\/\*$/, "/");
  const method = methods?.[0] ?? "POST";
  const context = JSON.stringify({ method, path: new URL(url).pathname });
  const values: Record<string, string> = {
    name,
    method,
    address,
    api: quote(`${origin}/v1/${name}`),
    url: quote(url),
    body: quote(sampleOf(endpoint)),
    context: quote === shell ? inShell(context) : context,
    contextText: quote(context),
    workspace: quote(parseName(name)?.workspace ?? ""),
    id: quote(idOf(name)),
  };
  return template
    .replace(
      /^(?:#|\/\/)if decrypt\n([\s\S]*?)(?:^(?:#|\/\/)else\n([\s\S]*?))?^(?:#|\/\/)end\n/gm,
      (_, then: string, otherwise: string = "") => (isOpened(endpoint) ? then : otherwise),
    )
    .replace(/\{\{(\w+)\}\}/g, (all, key: string) => values[key] ?? all);
}
