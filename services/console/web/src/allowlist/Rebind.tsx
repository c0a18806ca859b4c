import { Button, Group, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useAccess } from "../api/access";
import { rebindEndpoints } from "../api/allowlist";
import { idOf, parseName } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import { useUnsaved } from "../app/unsaved";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import type { RebindEndpointsResponseJson, RebindResultJson } from "../gen/keyward/allowlist/v1/service_pb";
import { SecretRefView } from "../shape/View";
import type { Json } from "../shape/value";
import { t } from "../text/t";
import { Dialog } from "../ui/Dialog";
import { AlertIcon } from "../ui/icons";
import { Notice } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { toast } from "../ui/toast";
import { useAction } from "../ui/useAction";

/** The result of a rebinding of the workspace that changes nothing, if the endpoint is inactive because of a loss. */
export function useLosses(endpoint: EndpointJson | undefined) {
  const { workspace, manage } = useAccess();
  const { data } = useQuery({
    queryKey: ["losses", workspace, endpoint?.etag],
    queryFn: ({ signal }) => rebindEndpoints(workspace, { validateOnly: true }, signal),
    enabled: manage && endpoint?.state === "STATE_INACTIVE",
  });
  const own = data?.results?.find((r) => r.endpoint === endpoint?.name);
  return own && data ? { own, all: data } : undefined;
}

const isBound = ({ outcome }: RebindResultJson) => outcome === "OUTCOME_ACTIVE" || outcome === "OUTCOME_BOUND";

/** Why an endpoint is off because of a lost secret, and what to do next. */
export function Lost({
  endpoint,
  losses,
}: {
  endpoint: EndpointJson;
  losses: { own: RebindResultJson; all: RebindEndpointsResponseJson };
}) {
  const [open, setOpen] = useState(false);
  const { own, all } = losses;
  const lost = own.outcome === "OUTCOME_LOST";
  return (
    <>
      <Notice
        tone="bad"
        icon={<AlertIcon size={18} />}
        title={t("rebind.lost.title")}
        action={
          isBound(own) && (
            <Button size="xs" variant="default" onClick={() => setOpen(true)}>
              {t("rebind.submit")}
            </Button>
          )
        }
      >
        <p>{t("endpoint.off.reason", { reason: endpoint.stateReason })}</p>
        {isBound(own) && <p>{t("rebind.lost.back")}</p>}
        {lost && <p>{own.reason === "VERSION_NOT_FOUND" ? t("rebind.lost.version") : t("rebind.lost.secret")}</p>}
        {!isBound(own) && <p className="wrap-anywhere">{own.detail}</p>}
        <p>
          {t("rebind.lost.references")}{" "}
          {referencesOf(endpoint).map((ref, i) => (
            <span key={JSON.stringify(ref)}>
              {i > 0 && ", "}
              <SecretRefView value={ref} />
            </span>
          ))}
        </p>
      </Notice>
      {open && <Rebind looked={all} onClose={() => setOpen(false)} />}
    </>
  );
}

/** The references of a message to secrets, each once. */
function referencesOf(message: object): Json[] {
  const found = new Map<string, Json>();
  const visit = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const { name, version } = value as Json;
    if (typeof name === "string" && parseName(name)?.collection === "secrets")
      found.set(`${name}/${String(version)}`, { name, version });
    Object.values(value).forEach(visit);
  };
  visit(message);
  return [...found.values()];
}

/** Binds all endpoints of the workspace again that can be bound, after it showed those that cannot. */
function Rebind({ looked, onClose }: { looked: RebindEndpointsResponseJson; onClose: () => void }) {
  const { workspace } = useAccess();
  const cache = useQueryClient();
  const { run, busy, error, form } = useAction();
  const [reason, setReason] = useState("");
  const [failed, setFailed] = useState<RebindResultJson[]>([]);
  useUnsaved(reason !== "", busy);
  const results = looked.results ?? [];
  const stay = results.filter((r) => !isBound(r));
  // The endpoint may no longer be lost, and its page then shows no dialog.
  const leave = () => {
    onClose();
    for (const key of ["losses", "endpoints", "endpoint", "history"]) void cache.invalidateQueries({ queryKey: [key] });
  };
  const go = () =>
    run(async () => {
      const done = await rebindEndpoints(workspace, { reason: reason.trim() });
      const bound = done.results?.filter(isBound) ?? [];
      if (bound.length > 0) toast(t("rebind.done", { count: bound.length }));
      const unexpected = done.results?.filter((r) => !isBound(r) && !stay.some((s) => s.endpoint === r.endpoint)) ?? [];
      setFailed(unexpected);
      if (unexpected.length === 0) leave();
    });
  return (
    <Dialog onClose={leave} title={t("rebind.title")} size={620}>
      <form
        ref={form}
        className="stack"
        onSubmit={(e) => {
          e.preventDefault();
          void go();
        }}
      >
        <p>{t("rebind.words", { count: results.length - stay.length, workspace })}</p>
        {stay.length > 0 && (
          <>
            <p>{t("rebind.stay", { count: stay.length })}</p>
            <Details of={stay} />
          </>
        )}
        {looked.more && <p>{t("rebind.more")}</p>}
        <TextInput
          label={t("ui.reason")}
          description={t("ui.reasonOptional")}
          maxLength={512}
          value={reason}
          data-autofocus
          onChange={(e) => setReason(e.currentTarget.value)}
        />
        {failed.length > 0 && (
          <Notice tone="bad" icon={<AlertIcon size={18} />} title={t("rebind.failed", { count: failed.length })}>
            <Details of={failed} />
          </Notice>
        )}
        <ProblemPanel error={error} />
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" disabled={busy} onClick={leave}>
            {t("ui.cancel")}
          </Button>
          <Button type="submit" loading={busy}>
            {t("rebind.submit")}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}

function Details({ of }: { of: RebindResultJson[] }) {
  const { workspace } = useAccess();
  return (
    <ul className="violation-list">
      {of.map((r) => (
        <li key={r.endpoint} className="wrap-anywhere">
          <Link to={paths.endpoint(workspace, idOf(r.endpoint))}>{idOf(r.endpoint)}</Link> {r.detail}
        </li>
      ))}
    </ul>
  );
}
