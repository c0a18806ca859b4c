import { Button, Group } from "@mantine/core";
import { useAccess } from "../api/access";
import { idOf } from "../api/names";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import type { SecretJson } from "../gen/keyward/vault/v1/resources_pb";
import { Copy } from "../ui/Copy";
import { ShieldCheckIcon } from "../ui/icons";
import { ValueFacts } from "./ValueFacts";

/** Says that a value is stored, and once what the vault took it for. */
export function Stored({ secret, onMore, onClose }: { secret: SecretJson; onMore?: () => void; onClose: () => void }) {
  const { workspace } = useAccess();
  const id = idOf(secret.name);
  return (
    <div className="stored" role="status">
      <div className="stored-icon">
        <ShieldCheckIcon size={28} />
      </div>
      <h2 className="mono wrap-anywhere">
        {id} <Copy text={id} what="name" />
      </h2>
      <ValueFacts facts={secret.valueFacts} />
      <p>
        The value is in the vault and no longer on this page. <b>It cannot be viewed again</b> by anyone. Refer to it by
        its name. To change it, store a new version.
      </p>
      <Group justify="center" className="modal-foot">
        {onMore && (
          <Button variant="subtle" color="gray" onClick={onMore}>
            Store another
          </Button>
        )}
        <Link to={paths.secret(workspace, id)} className="button-link" onClick={onClose}>
          View details
        </Link>
        <Button data-autofocus onClick={onClose}>
          Done
        </Button>
      </Group>
    </div>
  );
}
