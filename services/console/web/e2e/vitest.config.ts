import { defineConfig } from "vitest/config";

const scale = "scale.test.ts";

const stories = {
  root: import.meta.dirname,
  testTimeout: 120_000,
  hookTimeout: 60_000,
  teardownTimeout: 10_000,
  retry: 1, // the report lists tests that ran twice
};

// Each file has its own server and browser and mostly waits for them, so two run at once. The file that measures time
// runs alone, after the others.
export default defineConfig({
  test: {
    reporters: ["verbose"],
    projects: [
      {
        test: {
          ...stories,
          name: "stories",
          include: ["**/*.test.ts"],
          exclude: [scale],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...stories, name: "scale", include: [scale], maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
});
