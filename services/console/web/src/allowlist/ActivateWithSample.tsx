import { Button, Group, Textarea } from "@mantine/core";
import { useState } from "react";
import { activateEndpoint } from "../api/allowlist";
import { explain, type Problem } from "../api/problem";
import { useUnsaved } from "../app/unsaved";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { encoded } from "../tryout/bytes";
import { Dialog } from "../ui/Dialog";
import { ProblemPanel } from "../ui/Problem";
import { t } from "../text/t";
import { useAction } from "../ui/useAction";

interface Props {
  endpoint: EndpointJson;
  /** Why the sample that the allowlist generated was rejected. */
  problem: Problem;
  onClose: () => void;
  onDone: (endpoint: EndpointJson) => void;
}

/** Asks for a body that the configuration fits, and activates the endpoint if the round trip succeeds. */
export function ActivateWithSample({ endpoint, problem, onClose, onDone }: Props) {
  const [sample, setSample] = useState("");
  const { run, busy, error, form } = useAction();
  useUnsaved(sample !== "", busy);
  const go = () =>
    run(async () => {
      onDone(await activateEndpoint(endpoint.name ?? "", { sample: encoded(sample) }));
      onClose();
    });
  return (
    <Dialog onClose={onClose} title={t("activate.title")} size={620}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (sample !== "") void go();
        }}
      >
        <p>{t("activate.words", { text: explain(problem).text })}</p>
        <Textarea
          label={t("activate.sample")}
          description={t("activate.sampleHelp")}
          withAsterisk
          data-autofocus
          classNames={{ input: "mono" }}
          autosize
          minRows={4}
          maxRows={14}
          spellCheck={false}
          value={sample}
          onChange={(e) => setSample(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" loading={busy} disabled={sample === ""}>
            {t("activate.submit")}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
