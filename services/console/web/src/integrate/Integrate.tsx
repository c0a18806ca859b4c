import { Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { CopyBlock } from "../ui/Copy";
import { Card } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { TabList } from "../ui/TabList";
import { t } from "../text/t";
import { filled, policyLines, programs, type Program } from "./programs";

/** How a service calls the endpoint: sample programs, and the role that they need. */
export function Integrate({ endpoint }: { endpoint: EndpointJson }) {
  return (
    <div className="stack">
      <Card title={t("integrate.title")} words={t("integrate.words")}>
        <Tabs defaultValue={programs[0]?.name} keepMounted={false}>
          <TabList>
            {programs.map((p) => (
              <Tabs.Tab key={p.name} value={p.name}>
                {p.name}
              </Tabs.Tab>
            ))}
          </TabList>
          {programs.map((p) => (
            <Tabs.Panel key={p.name} value={p.name}>
              <Text program={p} endpoint={endpoint} />
            </Tabs.Panel>
          ))}
        </Tabs>
        {endpoint.state !== "STATE_ACTIVE" && <p className="dimmed">{t("integrate.inactive")}</p>}
        <p className="dimmed">{t("integrate.incoming")}</p>
      </Card>
      <Card title={t("integrate.roleTitle")} words={t("integrate.roleWords")}>
        <Text program={policyLines} endpoint={endpoint} />
      </Card>
    </div>
  );
}

function Text({ program, endpoint }: { program: Program; endpoint: EndpointJson }) {
  const text = useQuery({
    queryKey: ["program", program.url],
    queryFn: async ({ signal }) => {
      const response = await fetch(program.url, { signal, credentials: "omit" });
      if (!response.ok) throw new Error(response.statusText);
      return response.text();
    },
    staleTime: Number.POSITIVE_INFINITY,
  });
  if (text.error) return <ProblemPanel error={text.error} onRetry={() => void text.refetch()} />;
  if (!text.data) return <Skeleton height={200} />;
  return (
    <CopyBlock text={filled(text.data, program, endpoint, window.location.origin).trimEnd()} what={program.name} />
  );
}
