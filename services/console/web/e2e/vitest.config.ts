import { defineConfig } from "vitest/config";

// The stories run one after another: they share the machine with a browser and a server.
export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    fileParallelism: false,
    // A browser on a busy machine misses a moment at times; what is wrong is wrong twice.
    retry: 1,
    testTimeout: 120_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    reporters: ["verbose"],
  },
});
