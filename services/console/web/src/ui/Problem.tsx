import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { explain, problemOf } from "../api/problem";
import { Copy } from "./Copy";
import { rich, t } from "../text/t";
import { AlertIcon } from "./icons";

/** An error in words, with the ID that an operator needs. */
export function ProblemPanel({
  error,
  children,
  onRetry,
}: {
  error: unknown;
  children?: ReactNode;
  onRetry?: () => void;
}) {
  if (!error) return null;
  const problem = problemOf(error);
  const { title, text } = explain(problem);
  return (
    <div className="notice bad" role="alert" tabIndex={-1}>
      <AlertIcon size={18} />
      <div className="notice-body">
        <strong>{title}</strong>
        {text && <p>{text}</p>}
        {children}
        {problem.requestId && (
          <p className="request-id">
            {rich("ui.request", { requestId: problem.requestId })}{" "}
            <Copy text={problem.requestId} what={t("ui.what.requestId")} size="xs" />
          </p>
        )}
      </div>
      {onRetry && (
        <Button size="xs" variant="default" onClick={onRetry}>
          {t("ui.tryAgain")}
        </Button>
      )}
    </div>
  );
}
