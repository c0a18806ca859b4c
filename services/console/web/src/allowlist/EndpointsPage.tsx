export function EndpointsPage(_: { id?: string; tab?: string }) { return <div className="page">soon</div>; }
