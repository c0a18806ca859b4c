import { Menu, Skeleton } from "@mantine/core";
import { useState } from "react";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { Link } from "../app/Link";
import { navigate, paths } from "../app/router";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { ClockIcon, EyeIcon, PencilIcon, TrashIcon } from "../ui/icons";
import { Ellipsis } from "../ui/parts";
import { RowMenu } from "../ui/RowMenu";
import { SortHeader } from "../ui/SortHeader";
import { Time } from "../ui/Time";
import { DeleteSecret } from "./DeleteSecret";
import { EditSecret } from "./EditSecret";
import { SecretTags } from "./tags";
import { t } from "../text/t";
import { UsageTag } from "./usage";

interface Props {
  secrets: SecretJson[] | undefined;
  stale: boolean;
  order: string;
  onOrder: (order: string) => void;
}

export function SecretTable({ secrets, stale, order, onOrder }: Props) {
  const [editing, setEditing] = useState<string>();
  const [deleting, setDeleting] = useState<SecretJson>();
  return (
    <div className="table-frame">
      <table className="table secrets" aria-busy={!secrets || stale} data-stale={stale || undefined}>
        <caption className="sr-only">{t("secrets.title")}</caption>
        <thead>
          <tr>
            <SortHeader name={t("secrets.column.name")} by="name" order={order} onOrder={onOrder} />
            <th scope="col" className="wide-only">
              {t("secret.description")}
            </th>
            <th scope="col">{t("secret.for")}</th>
            <th scope="col">{t("secret.usedBy")}</th>
            <SortHeader name={t("ui.lastUpdated")} by="update_time" order={order} onOrder={onOrder} />
            <th scope="col" className="mid-only">
              {t("ui.created")}
            </th>
            <th scope="col" className="actions">
              <span className="sr-only">{t("ui.actions")}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {secrets ? (
            secrets.map((s) => (
              <Row key={s.uid} secret={s} onEdit={() => setEditing(s.name)} onDelete={() => setDeleting(s)} />
            ))
          ) : (
            <Loading />
          )}
        </tbody>
      </table>
      {editing && <EditSecret name={editing} onClose={() => setEditing(undefined)} />}
      {deleting && <DeleteSecret secret={deleting} onClose={() => setDeleting(undefined)} />}
    </div>
  );
}

function Row({ secret, onEdit, onDelete }: { secret: SecretJson; onEdit: () => void; onDelete: () => void }) {
  const { workspace } = useAccess();
  const id = idOf(secret.name);
  const uses = secret.referenceCount ?? 0;
  return (
    <tr>
      <th scope="row" data-label={t("secrets.column.name")}>
        <Link to={paths.secret(workspace, id)} className="row-link">
          <Ellipsis text={id} mono />
        </Link>
        <div className="row-tags">
          <SecretTags secret={secret} />
        </div>
      </th>
      <td className="wide-only" data-label={t("secret.description")}>
        <Ellipsis text={secret.description} />
      </td>
      <td data-label={t("secret.for")}>
        <UsageTag usage={secret.usage} />
      </td>
      <td data-label={t("secret.usedBy")}>
        {uses > 0 ? (
          <Link to={paths.secret(workspace, id, "used-by")} className="quiet-link">
            {uses >= 1000 ? t("secrets.manyEndpoints") : t("ui.endpoints", { count: uses })}
          </Link>
        ) : (
          <span className="dimmed">{t("secrets.notUsed")}</span>
        )}
      </td>
      <td data-label={t("ui.lastUpdated")}>
        <Time value={secret.updateTime} />
      </td>
      <td className="mid-only" data-label={t("ui.created")}>
        <Time value={secret.createTime} />
      </td>
      <td className="actions">
        <RowMenu label={t("ui.actionsFor", { id })}>
          <Menu.Item leftSection={<EyeIcon size={16} />} onClick={() => navigate(paths.secret(workspace, id))}>
            {t("ui.details")}
          </Menu.Item>
          <Menu.Item leftSection={<PencilIcon size={16} />} onClick={onEdit}>
            {t("ui.edit")}
          </Menu.Item>
          <Menu.Item
            leftSection={<ClockIcon size={16} />}
            onClick={() => navigate(paths.secret(workspace, id, "history"))}
          >
            {t("ui.changeLogs")}
          </Menu.Item>
          <Menu.Divider />
          <Menu.Item leftSection={<TrashIcon size={16} />} className="danger" onClick={onDelete}>
            {t("ui.delete")}
          </Menu.Item>
        </RowMenu>
      </td>
    </tr>
  );
}

function Loading() {
  return Array.from({ length: 8 }, (_, i) => (
    <tr key={i} className="loading">
      {[60, 75, 50, 55, 60, 60, 20].map((width, j) => (
        <td key={j} className={j === 1 ? "wide-only" : j === 5 ? "mid-only" : undefined}>
          <Skeleton height={12} width={`${width}%`} radius="xl" />
        </td>
      ))}
    </tr>
  ));
}
