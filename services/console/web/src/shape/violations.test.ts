import { expect, test } from "vitest";
import { upwards } from "./violations";

test("a path is below others, whatever its keys hold", () => {
  expect(upwards('endpoint.headers["X.Y"].keys[0].name')).toEqual([
    'endpoint.headers["X.Y"].keys[0].name',
    'endpoint.headers["X.Y"].keys[0]',
    'endpoint.headers["X.Y"].keys',
    'endpoint.headers["X.Y"]',
    "endpoint.headers",
    "endpoint",
  ]);
  expect(upwards("url")).toEqual(["url"]);
});
