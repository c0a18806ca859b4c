import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { CopyBlock } from "../ui/Copy";
import { ProblemPanel } from "../ui/Problem";
import { t } from "../text/t";
import url from "./samples.json?url";
import { messageOf, type PresetSample } from "./samples";

/** The messages that another tool made with a preset, fetched when they are opened. Presets of operators have none. */
export function PresetSamples({ id }: { id: string }) {
  const [open, setOpen] = useState(false);
  const samples = useQuery({
    queryKey: ["samples"],
    queryFn: async ({ signal }) => {
      const response = await fetch(url, { signal, credentials: "omit" });
      if (!response.ok) throw new Error(response.statusText);
      return (await response.json()) as Record<string, PresetSample[]>;
    },
    enabled: open,
    staleTime: Number.POSITIVE_INFINITY,
  });
  return (
    <details className="more-fields" onToggle={(e) => setOpen(e.currentTarget.open)}>
      <summary>{t("preset.samples")}</summary>
      <div className="stack">
        {samples.isLoading && <Skeleton height={120} />}
        {samples.error && <ProblemPanel error={samples.error} onRetry={() => void samples.refetch()} />}
        {samples.data && !samples.data[id] && <p className="field-hint">{t("preset.samplesNone")}</p>}
        {samples.data?.[id]?.map((s) => (
          <Sample key={s.direction} sample={s} />
        ))}
      </div>
    </details>
  );
}

function Sample({ sample }: { sample: PresetSample }) {
  const title = sample.direction === "response" ? t("preset.sampleResponse") : t("preset.sampleRequest");
  return (
    <section aria-label={title}>
      <p className="field-hint">{t("preset.sampleOf", { title, tool: sample.tool })}</p>
      <CopyBlock text={sample.plaintext} what={t("preset.samplePlaintext")} />
      <CopyBlock text={messageOf(sample)} what={t("preset.sampleMessage")} />
    </section>
  );
}
