import { Button, Menu, Skeleton } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { listVersions, type VersionAct } from "../api/vault";
import type { SecretJson, SecretVersionJson } from "../gen/keyward/vault/v1/resources_pb";
import { FlameIcon, PauseIcon, PlayIcon, UndoIcon } from "../ui/icons";
import { Card, Tag } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { RowMenu } from "../ui/RowMenu";
import { Time } from "../ui/Time";
import { StateTag } from "./tags";
import { VersionDialog } from "./VersionDialog";
import { number, t } from "../text/t";
import { actsOn, actWords } from "./versions";

/** The versions of a secret, newest first, and the actions on each. */
export function Versions({ secret }: { secret: SecretJson }) {
  const name = secret.name ?? "";
  const [asked, setAsked] = useState<{ number: number; act: VersionAct }>();
  const list = useInfiniteQuery({
    queryKey: ["versions", name],
    queryFn: ({ pageParam, signal }) => listVersions(name, { pageSize: 50, pageToken: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (last) => last.nextPageToken || undefined,
  });
  const versions = (list.data?.pages ?? []).flatMap((p) => p.versions ?? []);
  const chosen = asked && versions.find((v) => v.version === asked.number);
  return (
    <Card title={t("versions.title")} words={t("versions.words")}>
      <ProblemPanel error={list.error} onRetry={() => void list.refetch()} />
      {list.isPending && <Skeleton height={90} />}
      {list.data && (
        <table className="table flush versions">
          <caption className="sr-only">{t("versions.title")}</caption>
          <thead>
            <tr>
              <th scope="col">{t("history.version")}</th>
              <th scope="col">{t("versions.state")}</th>
              <th scope="col">{t("versions.stored")}</th>
              <th scope="col">{t("version.uses")}</th>
              <th scope="col">{t("version.failures")}</th>
              <th scope="col">{t("version.last")}</th>
              <th scope="col" className="wide-only">
                {t("secret.wrappedBy")}
              </th>
              <th scope="col" className="actions">
                <span className="sr-only">{t("ui.actions")}</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {versions.map((v) => (
              <Row key={v.version} version={v} onAct={(act) => setAsked({ number: v.version ?? 0, act })} />
            ))}
          </tbody>
        </table>
      )}
      {list.hasNextPage && (
        <div className="more">
          <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {t("versions.older")}
          </Button>
        </div>
      )}
      {asked && chosen && (
        <VersionDialog now={{ secret, version: chosen }} act={asked.act} onClose={() => setAsked(undefined)} />
      )}
    </Card>
  );
}

const icons: Record<VersionAct, React.ReactNode> = {
  restore: <UndoIcon size={16} />,
  enable: <PlayIcon size={16} />,
  disable: <PauseIcon size={16} />,
  destroy: <FlameIcon size={16} />,
};

function Row({ version: v, onAct }: { version: SecretVersionJson; onAct: (act: VersionAct) => void }) {
  const acts = actsOn(v);
  const failures = Number(v.failureCount ?? 0);
  return (
    <tr data-destroyed={v.state === "VERSION_STATE_DESTROYED" || undefined}>
      <th scope="row" data-label={t("history.version")}>
        {v.version} {v.current && <Tag tone="info">{t("versions.current")}</Tag>}
      </th>
      <td data-label={t("versions.state")}>
        <StateTag state={v.state} />
      </td>
      <td data-label={t("versions.stored")}>
        <Time value={v.createTime} />
      </td>
      <td data-label={t("version.uses")}>{number(Number(v.useCount ?? 0))}</td>
      <td data-label={t("version.failures")}>{failures > 0 ? <b className="danger">{number(failures)}</b> : "0"}</td>
      <td data-label={t("version.last")}>
        {v.lastUseTime ? <Time value={v.lastUseTime} /> : <span className="dimmed">{t("ui.never")}</span>}
      </td>
      <td className="wide-only" data-label={t("secret.wrappedBy")}>
        {v.keyId ? (
          <code className="ellipsis" data-hint={v.keyId} data-hint-clipped="">
            {v.keyId}
          </code>
        ) : (
          <span className="dimmed">–</span>
        )}
      </td>
      <td className="actions">
        {acts.length > 0 && (
          <RowMenu label={t("versions.actions", { version: v.version })}>
            {acts.map((act) => (
              <Menu.Item
                key={act}
                leftSection={icons[act]}
                className={act === "destroy" ? "danger" : undefined}
                onClick={() => onAct(act)}
              >
                {actWords[act].name}
              </Menu.Item>
            ))}
          </RowMenu>
        )}
      </td>
    </tr>
  );
}
