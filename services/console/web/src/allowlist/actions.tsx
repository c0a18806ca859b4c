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
import { Warnings } from "./Warnings";

type Question = "delete" | "deactivate" | "approve";

/** What can be done with an endpoint, and the dialogs that ask first. */
export interface EndpointActions {
  activate: (endpoint: EndpointJson) => void;
  ask: (question: Question, endpoint: EndpointJson) => void;
  busy: boolean;
  dialog: ReactNode;
  notice: ReactNode;
  /** What to know of the endpoint that was activated last, where its own page does not say it. */
  warnings: ReactNode;
}

/** Reads anew whatever shows an endpoint. */
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
    toast(`${idOf(endpoint.name)} is active.`);
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

const questions: Record<Question, { title: string; words: ReactNode; act: string; done: string }> = {
  delete: {
    title: "Delete endpoint",
    words: "It can no longer be talked to, and the secrets it refers to are free. Its change log stays.",
    act: "Delete",
    done: "is deleted",
  },
  deactivate: {
    title: "Deactivate endpoint",
    words: "The platform stops talking to it at once. It keeps its verification and can be activated again.",
    act: "Deactivate",
    done: "is switched off",
  },
  approve: {
    title: "Approve endpoint",
    words: "You vouch that this endpoint is the partner's. Your name and reason are on the log.",
    act: "Approve",
    done: "is approved",
  },
};

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
  // Who vouches says what for: it is all that is left of the decision.
  const ready = question === "delete" ? typed === id : question !== "approve" || reason.trim() !== "";
  const go = () =>
    run(async () => {
      // The etag: what is decided is decided on what was seen.
      const options = { reason: reason.trim(), etag: endpoint.etag };
      if (question === "delete") await deleteEndpoint(name, options);
      if (question === "deactivate") await deactivateEndpoint(name, { reason: options.reason });
      if (question === "approve") await approveEndpoint(name, options);
      toast(`${id} ${done}.`);
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
          <b className="mono wrap-anywhere">{id}</b>
          {question === "approve" && (
            <>
              {" at "}
              <b className="mono wrap-anywhere">{endpoint.url}</b>
            </>
          )}
        </p>
        <p>{words}</p>
        {question === "delete" && (
          <TextInput
            label={
              <>
                Type <span className="mono wrap-anywhere">{id}</span> to confirm
              </>
            }
            autoComplete="off"
            spellCheck={false}
            data-autofocus
            classNames={{ input: "mono" }}
            value={typed}
            onChange={(e) => setTyped(e.currentTarget.value)}
          />
        )}
        <TextInput
          label="Reason"
          description={
            question === "approve"
              ? "How you know that it is the partner's, such as a contract or a call."
              : "Optional, for the change log."
          }
          withAsterisk={question === "approve"}
          maxLength={512}
          value={reason}
          data-autofocus={question === "delete" ? undefined : true}
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color={question === "delete" ? "red" : undefined} loading={busy} disabled={!ready}>
            {act}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
