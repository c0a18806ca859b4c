import { Button } from "@mantine/core";
import { t } from "../text/t";
import { Component, type ReactNode } from "react";

/** Replaces a page that failed to render. It does not show the error, which could hold data. */
export class Boundary extends Component<{ children: ReactNode }, { broken: boolean }> {
  override state = { broken: false };

  static getDerivedStateFromError() {
    return { broken: true };
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main className="alone">
        <div className="alone-card" role="alert">
          <h1>{t("broken.title")}</h1>
          <p className="dimmed">{t("broken.words")}</p>
          <Button onClick={() => window.location.reload()}>{t("broken.reload")}</Button>
        </div>
      </main>
    );
  }
}
