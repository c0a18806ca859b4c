import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef } from "react";
import { AccessProvider, accessTo, everywhere, useAccess, useCaller, workspacesOf } from "../api/access";
import { idRule } from "../api/names";
import type { CallerJson } from "../gen/keyward/access/v1/service_pb";
import type { Person } from "../session/session";
import { loadShape } from "../shape/load";
import { ShieldIcon } from "../ui/icons";
import { Empty } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { SecretPage } from "../secrets/SecretPage";
import { SecretsPage } from "../secrets/SecretsPage";
import { match, navigate, paths, usePlace } from "./router";
import { Shell } from "./Shell";
import { rich, t } from "../text/t";
import { pageTitle, useTitle } from "./title";

// Larger or less common pages load on demand.
const EndpointsPage = lazy(async () => ({ default: (await import("../allowlist/EndpointsPage")).EndpointsPage }));
const EndpointPage = lazy(async () => {
  const [page] = await Promise.all([import("../allowlist/EndpointPage"), loadShape()]);
  return { default: page.EndpointPage };
});
const EndpointEditor = lazy(async () => {
  const [page] = await Promise.all([import("../allowlist/EndpointEditor"), loadShape()]);
  return { default: page.EndpointEditor };
});
const ActivityPage = lazy(async () => ({ default: (await import("../history/ActivityPage")).ActivityPage }));

const lastKey = "keyward.workspace";

/** Everything that requires a sign-in. */
export function Main({ person }: { person: Person }) {
  const caller = useCaller();
  const place = usePlace();
  const clear = useQueryClient();
  // Another user signed in: clear all data of the previous user.
  const subject = useRef(person.subject);
  useEffect(() => {
    if (subject.current !== person.subject) clear.clear();
    subject.current = person.subject;
  }, [person.subject, clear]);

  if (caller.error) {
    return (
      <main className="alone">
        <div className="alone-card wide">
          <ProblemPanel error={caller.error} onRetry={() => void caller.refetch()} />
        </div>
      </main>
    );
  }
  if (!caller.data) return <Shell person={person} caller={{}} />;
  return <Workspace person={person} caller={caller.data} path={place.path} />;
}

function Workspace({ person, caller, path }: { person: Person; caller: CallerJson; path: string }) {
  const named = /^\/w\/([^/]+)/.exec(path)?.[1];
  const workspace = named && idRule.test(decodeURIComponent(named)) ? decodeURIComponent(named) : undefined;
  const home = firstWorkspace(caller);
  useEffect(() => {
    if (!workspace && home && !path.startsWith("/w/")) navigate(paths.home(home), { replace: true });
    if (workspace) localStorage.setItem(lastKey, workspace);
  }, [workspace, home, path]);

  if (!workspace) {
    return (
      <Shell person={person} caller={caller}>
        {path.startsWith("/w/") ? <NotFound /> : !home && <NoWorkspace everywhere={everywhere(caller)} />}
      </Shell>
    );
  }
  const access = accessTo(caller, workspace);
  return (
    <AccessProvider value={access}>
      <Shell person={person} caller={caller} workspace={workspace} key={workspace}>
        {access.see ? (
          <Suspense fallback={<div className="page" aria-busy="true" />}>
            <Page path={path} />
          </Suspense>
        ) : (
          <NoAccess workspace={workspace} />
        )}
      </Shell>
    </AccessProvider>
  );
}

function firstWorkspace(caller: CallerJson): string | undefined {
  const known = workspacesOf(caller);
  const last = localStorage.getItem(lastKey) ?? "";
  if (idRule.test(last) && (known.includes(last) || everywhere(caller))) return last;
  return known[0];
}

function Page({ path }: { path: string }) {
  const { workspace, manage } = useAccess();
  const rest = path.replace(/^\/w\/[^/]+/, "").replace(/\/+$/, "");
  useTitle(pageTitle(rest));
  useEffect(() => {
    if (rest === "") navigate(manage ? paths.secrets(workspace) : paths.endpoints(workspace), { replace: true });
  }, [rest, manage, workspace]);
  if (rest === "") return null;

  const endpoint = match("/endpoints/:id", rest) ?? match("/endpoints/:id/:tab", rest);
  if (rest === "/endpoints") return <EndpointsPage />;
  if (endpoint?.tab !== "edit" && endpoint?.id)
    return <EndpointPage key={endpoint.id} id={endpoint.id} tab={endpoint.tab ?? "overview"} />;
  // Members stop here: the API denies them everything else.
  if (!manage) return <NoAccess workspace={workspace} />;
  if (endpoint?.id) return <EndpointEditor key={endpoint.id} id={endpoint.id} />;
  if (rest === "/new-endpoint") return <EndpointEditor />;
  if (rest === "/secrets") return <SecretsPage />;
  const secret = match("/secrets/:id", rest) ?? match("/secrets/:id/:tab", rest);
  if (secret?.id) return <SecretPage key={secret.id} id={secret.id} tab={secret.tab ?? "overview"} />;
  if (rest === "/activity") return <ActivityPage />;
  return <NotFound />;
}

function NotFound() {
  return (
    <div className="page">
      <Empty whole icon={<ShieldIcon size={26} />} title={t("notFound.title")}>
        {t("notFound.words")}
      </Empty>
    </div>
  );
}

function NoAccess({ workspace }: { workspace: string }) {
  return (
    <div className="page">
      <Empty whole icon={<ShieldIcon size={26} />} title={t("noAccess.title")}>
        {rich("noAccess.words", { workspace })}
      </Empty>
    </div>
  );
}

function NoWorkspace({ everywhere }: { everywhere: boolean }) {
  return (
    <div className="page">
      <Empty whole icon={<ShieldIcon size={26} />} title={everywhere ? t("workspace.choose") : t("workspace.noneYet")}>
        {everywhere ? t("workspace.chooseWords") : t("workspace.noRole")}
      </Empty>
    </div>
  );
}
