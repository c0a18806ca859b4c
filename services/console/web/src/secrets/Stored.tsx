import { Button, Group } from "@mantine/core";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Copy } from "../ui/Copy";
import { ShieldCheckIcon } from "../ui/icons";
import { rich, t } from "../text/t";
import { ValueFacts } from "./ValueFacts";

/** Confirms that a value is stored and shows, once, what the vault detected. */
export function Stored({ secret, onMore, onClose }: { secret: SecretJson; onMore?: () => void; onClose: () => void }) {
  const { workspace } = useAccess();
  const id = idOf(secret.name);
  return (
    <div className="stored" role="status">
      <div className="stored-icon">
        <ShieldCheckIcon size={28} />
      </div>
      <h2 className="mono wrap-anywhere">
        {id} <Copy text={id} what={t("stored.nameWhat")} />
      </h2>
      <ValueFacts facts={secret.valueFacts} />
      <p>{rich("stored.words")}</p>
      <Group justify="center" className="modal-foot">
        {onMore && (
          <Button variant="subtle" color="gray" onClick={onMore}>
            {t("stored.another")}
          </Button>
        )}
        <Link to={paths.secret(workspace, id)} className="button-link" onClick={onClose}>
          {t("stored.details")}
        </Link>
        <Button data-autofocus onClick={onClose}>
          {t("stored.done")}
        </Button>
      </Group>
    </div>
  );
}
