/** A message that another tool made with throwaway keys. `make docs-gen` writes them to samples.json, by preset. */
export interface PresetSample {
  direction: "request" | "response";
  tool: string;
  plaintext: string;
  headers?: Record<string, string>;
  /** The query parameters of the signature. */
  query?: Record<string, string>;
  body: string;
}

/** A message as it is sent: its headers, the query parameters of its signature, and its body. */
export function messageOf({ headers, query, body }: Pick<PresetSample, "headers" | "query" | "body">): string {
  const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  if (query) lines.push(`?${new URLSearchParams(query)}`);
  return lines.length > 0 ? [...lines, "", body].join("\n") : body;
}
