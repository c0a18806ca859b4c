import { methods } from "../gen/methods";

const has = (method: string): boolean => methods.includes(method);

/** What the API has beyond its first version. What it lacks, the page does not show. */
export const offers = {
  presets: has("ListPresets"),
  test: has("TestEncryption"),
  diagnose: has("DiagnoseSample"),
  versionStates: has("DisableSecretVersion"),
};
