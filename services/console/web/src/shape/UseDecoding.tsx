import { Button } from "@mantine/core";
import { t } from "../text/t";
import { useFittingDecoding } from "./violations";

interface Props {
  /** The reference. */
  path: string;
  /** The current decoding. */
  current: string;
  onUse: (decoding: string) => void;
}

/** Offers the decoding that would fit, if the server names one. */
export function UseDecoding({ path, current, onUse }: Props) {
  const found = useFittingDecoding(path);
  if (!found || current === `DECODING_${found}`) return null;
  return (
    <div>
      <Button size="xs" variant="default" onClick={() => onUse(`DECODING_${found}`)}>
        {t("shape.use", { found })}
      </Button>
    </div>
  );
}
