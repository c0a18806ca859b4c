/** A message that another tool made with throwaway keys. `make docs-gen` writes them to samples.json, by preset. */
export interface PresetSample {
  direction: "request" | "response";
  tool: string;
  plaintext: string;
  headers?: Record<string, string>;
  body: string;
}

/** A message as it is sent: its headers, and its body. */
export function messageOf({ headers, body }: Pick<PresetSample, "headers" | "body">): string {
  const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}`);
  return lines.length > 0 ? [...lines, "", body].join("\n") : body;
}
