export function EndpointPage(_: { id?: string; tab?: string }) { return <div className="page">soon</div>; }
