import { useState } from "react";
import type { Problem } from "../api/problem";

/**
 * An error without the violations of fields that changed since. `sent` is the object that the paths refer to, in the
 * API's JSON. An error without remaining violations disappears.
 */
export function useStillWrong(problem: Problem | undefined, sent: unknown): Problem | undefined {
  const [refused, setRefused] = useState({ problem, sent });
  if (refused.problem !== problem) setRefused({ problem, sent });
  if (!problem || refused.problem !== problem) return problem;
  const left = problem.violations.filter(
    ({ field }) => JSON.stringify(at(refused.sent, field)) === JSON.stringify(at(sent, field)),
  );
  if (left.length === problem.violations.length) return problem;
  return left.length > 0 || problem.metadata.field ? problem.about(left) : undefined;
}

/** The value at a path such as `endpoint.headers[0].name` or `secret.labels["team"]`. */
export function at(of: unknown, path: string): unknown {
  const keys = [...path.matchAll(/\["([^"]*)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    ([, quoted, number, name]) => quoted ?? number ?? camel(name ?? ""),
  );
  return keys.reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], of);
}

const camel = (name: string): string => name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
