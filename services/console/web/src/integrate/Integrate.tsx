import { Skeleton, Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { EndpointJson } from "../gen/keyward/allowlist/v1/resources_pb";
import { CopyBlock } from "../ui/Copy";
import { Card } from "../ui/parts";
import { ProblemPanel } from "../ui/Problem";
import { TabList } from "../ui/TabList";
import { filled, policyLines, programs, type Program } from "./programs";

/** How a service calls the endpoint: programs, and the role that they need. */
export function Integrate({ endpoint }: { endpoint: EndpointJson }) {
  return (
    <div className="stack">
      <Card
        title="Call it from a service"
        words="The service has Keyward encrypt a message, sends it to the partner as it is, and has the answer decrypted. It never sees a key."
      >
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
        {endpoint.state !== "STATE_ACTIVE" && (
          <p className="dimmed">Until the endpoint is active, Keyward answers ENDPOINT_NOT_ACTIVE.</p>
        )}
        <p className="dimmed">
          If the partner calls you, decrypt its request or verify its signature with the kind REQUEST, and answer with
          the exchange that Decrypt returns.
        </p>
      </Card>
      <Card
        title="The role that is needed"
        words="Sender, of this endpoint alone. Ask the people who run Keyward for it."
      >
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
