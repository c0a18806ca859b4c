import { t } from "../text/t";
import { violationOf, type Problem } from "../api/problem";

/** The server's violations of a value, or of a part of it, in words. */
export function valueError(problem: Problem | undefined): string | undefined {
  // Users need not know why a sealed value is invalid: the page seals it again.
  if (problem?.reason === "SEALED_VALUE_REFUSED") return t("value.again");
  const fields = new Set(
    problem?.violations.map((v) => v.field).filter((f) => f === "secret.value" || f.startsWith("secret.value.")),
  );
  const found = [...fields].map((f) => violationOf(problem, f));
  return found.length > 0 ? found.join(" ") : undefined;
}

/** The command that the server suggests for a value, such as `openssl …`, which ends a sentence. */
export function commandIn(problem: Problem | undefined): string | undefined {
  const found = problem?.violations
    .filter((v) => v.field.startsWith("secret.value"))
    .map((v) => /: ([a-z][a-z-]+ .*-.+)$/.exec(v.description)?.[1]);
  return found?.find(Boolean)?.replace(/\.$/, "");
}

/** The first bytes of a file. */
export async function startOf(file: Blob): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(0, 16).arrayBuffer());
}

/** Whether a file starts like PKCS #12: a SEQUENCE that contains version 3 (RFC 7292, section 4). */
export function isPkcs12(start: Uint8Array): boolean {
  const length = start[1] ?? 0;
  const version = 2 + (length & 0x80 ? length & 0x7f : 0);
  return start[0] === 0x30 && [2, 1, 3].every((byte, i) => start[version + i] === byte);
}
