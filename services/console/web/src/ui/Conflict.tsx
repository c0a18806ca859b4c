import { Button, Group } from "@mantine/core";
import { Dialog } from "./Dialog";
import { FullTime } from "./Time";
import { Notice } from "./parts";
import { rich, t } from "../text/t";
import { AlertIcon } from "./icons";

/** The three versions of one field. */
export interface Difference {
  field: string;
  before: string;
  theirs: string;
  yours: string;
}

interface Props {
  what: string;
  changed: string | undefined;
  differences: Difference[];
  onMine: () => void;
  onTheirs: () => void;
  onClose: () => void;
}

/** Shows both versions when another user changed the resource since it was loaded. */
export function Conflict({ what, changed, differences, onMine, onTheirs, onClose }: Props) {
  return (
    <Dialog onClose={onClose} title={t("conflict.title", { what })} size={820} zIndex={300}>
      <div className="stack">
        <Notice tone="warn" icon={<AlertIcon />}>
          <p>{rich("conflict.words", { time: <FullTime value={changed} /> })}</p>
        </Notice>
        <div className="table-frame">
          <table className="table conflict">
            <thead>
              <tr>
                <th scope="col">{t("conflict.field")}</th>
                <th scope="col">{t("conflict.theirs")}</th>
                <th scope="col">{t("conflict.yours")}</th>
              </tr>
            </thead>
            <tbody>
              {differences.map((d) => (
                <tr key={d.field}>
                  <th scope="row">{d.field}</th>
                  <td data-changed={d.theirs !== d.before || undefined}>
                    <pre dir="auto">{d.theirs || "–"}</pre>
                  </td>
                  <td data-changed={d.yours !== d.before || undefined}>
                    <pre dir="auto">{d.yours || "–"}</pre>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <Group justify="flex-end" className="modal-foot">
          <Button variant="subtle" color="gray" onClick={onClose}>
            {t("conflict.back")}
          </Button>
          <Button variant="default" onClick={onTheirs}>
            {t("conflict.take")}
          </Button>
          <Button onClick={onMine}>{t("conflict.save")}</Button>
        </Group>
      </div>
    </Dialog>
  );
}

/** The fields in which the three versions differ. */
export function differencesOf<T>(
  fields: { name: string; show: (of: T) => string }[],
  before: T,
  theirs: T,
  yours: T,
): Difference[] {
  return fields
    .map(({ name, show }) => ({ field: name, before: show(before), theirs: show(theirs), yours: show(yours) }))
    .filter((d) => d.theirs !== d.yours || d.theirs !== d.before);
}
