import { defineConfig } from "vitest/config";

// The stories run one after another: they share the machine with a browser and a server.
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ["verbose"],
  },
});
