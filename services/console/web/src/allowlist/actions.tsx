import { Button, Group, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useAccess } from "../api/access";
import { activateEndpoint, approveEndpoint, deactivateEndpoint, deleteEndpoint } from "../api/allowlist";
import { idOf } from "../api/names";
import { Problem } from "../api/problem";
import { navigate, paths } from "../app/router";
import { useUnsaved } from "../app/unsaved";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { Dialog } from "../ui/Dialog";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { ActivateWithSample } from "./ActivateWithSample";
import { rich, t, type TextId } from "../text/t";
import { Warnings } from "./Warnings";

type Question = "delete" | "deactivate" | "approve";

/** The actions on an endpoint and their confirmation dialogs. */
export interface EndpointActions {
  activate: (endpoint: EndpointJson) => void;
  ask: (question: Question, endpoint: EndpointJson) => void;
  busy: boolean;
  dialog: ReactNode;
  notice: ReactNode;
  /** Warnings about the last activated endpoint, for pages other than its own. */
  warnings: ReactNode;
}

/** Refetches all queries that show an endpoint. */
export function useRefresh() {
  const cache = useQueryClient();
  const { workspace } = useAccess();
  return (name: string | undefined) => {
    for (const queryKey of [
      ["endpoints", workspace],
      ["endpoint", name],
      ["history", name],
    ])
      void cache.invalidateQueries({ queryKey });
  };
}

export function useEndpointActions(): EndpointActions {
  const refresh = useRefresh();
  const { run, busy, error } = useAction();
  const [asked, setAsked] = useState<{ question: Question; endpoint: EndpointJson }>();
  const [activated, setActivated] = useState<EndpointJson>();
  const [sampled, setSampled] = useState<{ endpoint: EndpointJson; problem: Problem }>();
  const settled = (endpoint: EndpointJson) => {
    toast(t("endpoint.activated", { id: idOf(endpoint.name) }));
    setActivated(endpoint);
    refresh(endpoint.name);
  };
  const activate = (endpoint: EndpointJson) =>
    void run(async () => {
      setActivated(undefined);
      try {
        settled(await activateEndpoint(endpoint.name ?? ""));
      } catch (problem) {
        if (!(problem instanceof Problem && problem.reason === "SAMPLE_NOT_ENCRYPTABLE")) throw problem;
        setSampled({ endpoint, problem });
      }
    });
  return {
    activate,
    ask: (question, endpoint) => setAsked({ question, endpoint }),
    busy,
    notice: <ProblemPanel error={error} />,
    warnings: <Warnings endpoint={activated} />,
    dialog: (
      <>
        {asked && <Ask {...asked} onClose={() => setAsked(undefined)} onDone={() => refresh(asked.endpoint.name)} />}
        {sampled && <ActivateWithSample {...sampled} onClose={() => setSampled(undefined)} onDone={settled} />}
      </>
    ),
  };
}

const questions: Record<Question, { title: string; words: ReactNode; act: string; done: TextId }> = {
  delete: {
    title: t("endpoint.delete.title"),
    words: t("endpoint.delete.words"),
    act: t("ui.delete"),
    done: "endpoint.delete.done",
  },
  deactivate: {
    title: t("endpoint.deactivate.title"),
    words: t("endpoint.deactivate.words"),
    act: t("endpoint.deactivate"),
    done: "endpoint.deactivate.done",
  },
  approve: {
    title: t("endpoint.approve.title"),
    words: t("endpoint.approve.words"),
    act: t("endpoint.approve"),
    done: "endpoint.approve.done",
  },
};

const strongMono = (children: ReactNode) => <b className="mono wrap-anywhere">{children}</b>;

function Ask({
  question,
  endpoint,
  onClose,
  onDone,
}: {
  question: Question;
  endpoint: EndpointJson;
  onClose: () => void;
  onDone: () => void;
}) {
  const { workspace } = useAccess();
  const { run, busy, error, form } = useAction();
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  useUnsaved(reason !== "", busy);
  const { title, words, act, done } = questions[question];
  const name = endpoint.name ?? "";
  const id = idOf(name);
  // An approval needs a reason: it is the only record of the decision.
  const ready = question === "delete" ? typed === id : question !== "approve" || reason.trim() !== "";
  const go = () =>
    run(async () => {
      // The etag ties the decision to the state that the user saw.
      const options = { reason: reason.trim(), etag: endpoint.etag };
      if (question === "delete") await deleteEndpoint(name, options);
      if (question === "deactivate") await deactivateEndpoint(name, { reason: options.reason });
      if (question === "approve") await approveEndpoint(name, options);
      toast(t(done, { id }));
      onClose();
      if (question === "delete") navigate(paths.endpoints(workspace), { force: true });
      onDone();
    });
  return (
    <Dialog onClose={onClose} title={title}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          if (ready) void go();
        }}
      >
        <p>
          {question === "approve"
            ? rich("endpoint.approve.which", { id, url: endpoint.url, strong: strongMono })
            : strongMono(id)}
        </p>
        <p>{words}</p>
        {question === "delete" && (
          <TextInput
            label={<>{rich("ui.typeToConfirm", { id, dim: (c) => <span className="mono wrap-anywhere">{c}</span> })}</>}
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            classNames={{ input: "mono" }}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
          />
        )}
        <TextInput
          label={t("ui.reason")}
          description={question === "approve" ? t("endpoint.approve.reason") : t("ui.reasonOptional")}
          withAsterisk={question === "approve"}
          maxLength={512}
          value={reason}
          data-autofocus={question === "delete" ? undefined : true}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" color={question === "delete" ? "red" : undefined} loading={busy} disabled={!ready}>
            {act}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
