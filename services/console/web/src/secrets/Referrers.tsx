import { Skeleton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { parseName } from "../api/names";
import { listReferrers } from "../api/vault";
import { Link } from "../app/Link";
import { paths } from "../app/router";
import { GlobeIcon, LinkIcon } from "../ui/icons";
import { Empty } from "../ui/parts";
import { t } from "../text/t";
import { ProblemPanel } from "../ui/Problem";

/** The endpoints that use a secret. */
export function useReferrers(name: string, enabled = true) {
  return useQuery({ queryKey: ["referrers", name], queryFn: ({ signal }) => listReferrers(name, signal), enabled });
}

/** A list of resources, each a link to its page. */
export function ReferrerList({ names, onFollow }: { names: string[]; onFollow?: () => void }) {
  return (
    <ul className="referrers">
      {names.map((name) => {
        const parsed = parseName(name);
        return (
          <li key={name}>
            <GlobeIcon size={15} />
            {parsed?.collection === "endpoints" ? (
              <Link to={paths.endpoint(parsed.workspace, parsed.id)} onClick={onFollow} className="mono wrap-anywhere">
                {parsed.id}
              </Link>
            ) : (
              <span className="mono wrap-anywhere">{name}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** The endpoints that use a secret, as a section of its page. */
export function Referrers({ name }: { name: string }) {
  const referrers = useReferrers(name);
  if (referrers.error) return <ProblemPanel error={referrers.error} onRetry={() => void referrers.refetch()} />;
  if (!referrers.data) return <Skeleton height={80} />;
  if (referrers.data.length === 0) {
    return (
      <Empty icon={<LinkIcon size={24} />} title={t("referrers.empty")}>
        {t("referrers.emptyWords")}
      </Empty>
    );
  }
  return <ReferrerList names={referrers.data} />;
}
