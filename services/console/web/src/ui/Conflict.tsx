import { Button, Group } from "@mantine/core";
import { Dialog } from "./Dialog";
import { FullTime } from "./Time";
import { Notice } from "./parts";
import { AlertIcon } from "./icons";

/** One field as three people know it. */
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

/** Shows both versions when somebody else changed in the meantime what one is about to save. */
export function Conflict({ what, changed, differences, onMine, onTheirs, onClose }: Props) {
  return (
    <Dialog onClose={onClose} title={`Somebody changed this ${what} in the meantime`} size={820} zIndex={300}>
      <div className="stack">
        <Notice tone="warn" icon={<AlertIcon />}>
          <p>
            It was last changed <FullTime value={changed} />. Nothing of yours is saved yet.
          </p>
        </Notice>
        <div className="table-frame">
          <table className="table conflict">
            <thead>
              <tr>
                <th scope="col">Field</th>
                <th scope="col">Theirs, saved</th>
                <th scope="col">Yours, not saved</th>
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
            Back to my form
          </Button>
          <Button variant="default" onClick={onTheirs}>
            Take theirs
          </Button>
          <Button onClick={onMine}>Save mine over it</Button>
        </Group>
      </div>
    </Dialog>
  );
}

/** The fields in which the three differ. */
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
