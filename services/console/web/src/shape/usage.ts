import { createContext, useContext } from "react";
import type { KnownUsage } from "../secrets/usage";
import type { Json } from "./value";

const UsageContext = createContext<KnownUsage>("USAGE_KEY");

export const UsageProvider = UsageContext.Provider;

/** The usage that a secret must have in the edited message. */
export const useUsage = (): KnownUsage => useContext(UsageContext);

/** The usage of the secrets in a message, which may differ from that of the surrounding message. */
export function usageIn(type: string, value: Json, around: KnownUsage): KnownUsage {
  switch (type.split(".").at(-1)) {
    case "Cipher":
      return (value.iv as Json | undefined)?.source === "SOURCE_KEY_PREFIX" ? "USAGE_EXPOSED_KEY" : "USAGE_KEY";
    case "SharedKey":
      return around;
    case "Iv":
    case "Salt":
      return "USAGE_PARAMETER";
    default:
      return "USAGE_KEY";
  }
}
