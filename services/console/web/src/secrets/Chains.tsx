/** The purpose of a key: each chain on a line of its own. */
export function Chains({ chains }: { chains: string[] | undefined }) {
  return (
    <ul className="plain mono">
      {chains?.map((chain) => (
        <li key={chain} className="wrap-anywhere">
          {chain}
        </li>
      ))}
    </ul>
  );
}
