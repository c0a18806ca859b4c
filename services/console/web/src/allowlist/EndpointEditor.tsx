import { Button, Group, Skeleton, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { useAccess } from "../api/access";
import { createEndpoint, getEndpoint, updateEndpoint } from "../api/allowlist";
import { endpointName, idOf, idRule } from "../api/names";
import { Problem } from "../api/problem";
import { Link } from "../app/Link";
import { navigate, paths } from "../app/router";
import { useUnsaved } from "../app/unsaved";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { Violations, focusField } from "../shape/violations";
import { Conflict, differencesOf } from "../ui/Conflict";
import { Dialog } from "../ui/Dialog";
import { ChevronRightIcon } from "../ui/icons";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";
import { useStillWrong } from "../ui/useStillWrong";
import { useRefresh } from "./actions";
import { changed, draftOf, endpointOf, fields, show, type Draft } from "./draft";
import { EncryptionCard } from "./EncryptionCard";
import { ViolationSummary } from "./ViolationSummary";
import { misfits, refsOf, useMisfits } from "./keys";
import { rich, t } from "../text/t";
import { AboutCard, RequestCard } from "./RequestCard";

/** Adds an endpoint, or changes one. */
export function EndpointEditor({ id }: { id?: string }) {
  const { workspace } = useAccess();
  const name = id ? endpointName(workspace, id) : "";
  // Fetched again and then kept, so that the form edits what the user saw.
  const endpoint = useQuery({
    queryKey: ["endpoint", name, "edit"],
    queryFn: ({ signal }) => getEndpoint(name, signal),
    enabled: Boolean(id),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });
  return (
    <div className="page narrow">
      <nav className="crumbs" aria-label={t("ui.breadcrumb")}>
        <Link to={paths.endpoints(workspace)}>{t("endpoints.title")}</Link>
        <ChevronRightIcon size={14} />
        {id && (
          <>
            <Link to={paths.endpoint(workspace, id)} className="mono">
              {id}
            </Link>
            <ChevronRightIcon size={14} />
          </>
        )}
      </nav>
      <header className="page-head">
        <h1>{id ? t("editor.titleEdit") : t("editor.titleAdd")}</h1>
      </header>
      <ProblemPanel error={endpoint.error} onRetry={() => void endpoint.refetch()} />
      {id && endpoint.isPending && <Skeleton height={420} />}
      {(!id || endpoint.data) && (
        <Form key={endpoint.data?.etag ?? "new"} endpoint={endpoint.data} onReload={() => void endpoint.refetch()} />
      )}
    </div>
  );
}

function Form({ endpoint, onReload }: { endpoint?: EndpointJson; onReload: () => void }) {
  const { workspace } = useAccess();
  const refresh = useRefresh();
  const before = draftOf(endpoint);
  const [draft, setDraft] = useState(before);
  const [id, setId] = useState(idOf(endpoint?.name));
  const [reason, setReason] = useState("");
  const [theirs, setTheirs] = useState<EndpointJson>();
  const [moving, setMoving] = useState(false);
  const { run, busy, error, reset, form } = useAction();
  const name = endpoint?.name ?? endpointName(workspace, "-");
  const unfit = useMisfits(name, draft);
  useEffect(() => {
    if (error) focusField(form.current, ...foundAt(error));
  }, [error, form]);
  // New keys, or keys with a new decoding, are checked again.
  const refs = JSON.stringify(refsOf(draft.encryption));
  useEffect(() => {
    if (error?.reason === "KEY_NOT_USABLE") reset();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- a new error must stay; only a change of the keys clears it
  }, [refs]);
  const wrong = useStillWrong(error, { endpointId: id, endpoint: endpointOf(draft) });
  const mask = changed(before, draft);
  const dirty = mask.length > 0 || (!endpoint && id !== "");
  // A changed reason for a public URL does not change the URL.
  const inService = endpoint?.state === "STATE_ACTIVE" && before.url !== draft.url;
  useUnsaved(dirty);
  const ready = idRule.test(id) && draft.url !== "" && draft.methods.length > 0 && (!endpoint || dirty);

  const save = (etag = endpoint?.etag) =>
    run(async () => {
      const misfit = await misfits(name, draft);
      if (misfit) throw misfit;
      const options = { requestId: crypto.randomUUID(), reason: reason.trim() };
      try {
        const saved = endpoint?.name
          ? await updateEndpoint(
              { ...endpointOf(draft, mask), name: endpoint.name, etag },
              { ...options, updateMask: mask.join(",") },
            )
          : await createEndpoint(workspace, id, endpointOf(draft), options);
        toast(endpoint ? t("editor.saved", { id }) : t("editor.added", { id }));
        refresh(saved.name);
        navigate(paths.endpoint(workspace, id), { force: true });
      } catch (failure) {
        if (!(failure instanceof Problem && failure.reason === "ETAG_MISMATCH" && endpoint?.name)) throw failure;
        setTheirs(await getEndpoint(endpoint.name));
      }
    });

  return (
    <Violations value={wrong ?? unfit}>
      <form
        ref={form}
        className="stack"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (!ready) return;
          if (inService) setMoving(true);
          else void save();
        }}
      >
        <AboutCard
          draft={draft}
          onChange={setDraft}
          id={id}
          onId={endpoint ? undefined : setId}
          taken={error?.reason === "ENDPOINT_EXISTS"}
        />
        <RequestCard draft={draft} onChange={setDraft} urlBefore={endpoint ? before.url : undefined} />
        <EncryptionCard draft={draft} onChange={setDraft} problem={error} endpointName={endpoint?.name} />
        <ViolationSummary problem={wrong} onGo={(field) => focusField(form.current, field)} />
        <div className="save-bar">
          <TextInput
            aria-label={t("ui.reason")}
            placeholder={t("editor.reasonPlaceholder")}
            maxLength={512}
            value={reason}
            onChange={(e) => setReason(e.currentTarget.value)}
          />
          <Group gap="xs" wrap="nowrap">
            <Button
              variant="subtle"
              color="gray"
              disabled={busy}
              onClick={() => navigate(endpoint ? paths.endpoint(workspace, id) : paths.endpoints(workspace))}
            >
              {t("ui.cancel")}
            </Button>
            <Button type="submit" loading={busy} disabled={!ready}>
              {endpoint ? t("ui.save") : t("editor.titleAdd")}
            </Button>
          </Group>
        </div>
      </form>
      {moving && (
        <Dialog onClose={() => setMoving(false)} title={t("editor.urlTitle")}>
          <div className="stack">
            <p>
              {rich("editor.urlWords", { url: before.url, strong: (c) => <b className="mono wrap-anywhere">{c}</b> })}
            </p>
            <p>{t("editor.urlEffect")}</p>
            <Group justify="flex-end">
              <Button variant="subtle" color="gray" onClick={() => setMoving(false)}>
                {t("editor.urlKeep")}
              </Button>
              <Button
                color="red"
                onClick={() => {
                  setMoving(false);
                  void save();
                }}
              >
                {t("editor.urlSave")}
              </Button>
            </Group>
          </div>
        </Dialog>
      )}
      {theirs && (
        <Conflict
          what={t("ui.what.endpoint")}
          changed={theirs.updateTime}
          differences={differencesOf(
            fields.map((f) => ({ name: f.name, show: (d: Draft) => show(d, f.json) })),
            before,
            draftOf(theirs),
            draft,
          )}
          onMine={() => {
            const { etag } = theirs;
            setTheirs(undefined);
            void save(etag);
          }}
          onTheirs={onReload}
          onClose={() => setTheirs(undefined)}
        />
      )}
    </Violations>
  );
}

/** The fields that an error names. */
function foundAt({ reason, violations, metadata }: Problem): string[] {
  if (reason === "ENDPOINT_EXISTS") return ["endpoint_id"];
  return [...violations.map((v) => v.field), ...(metadata.field ? [metadata.field] : [])];
}
