import { Button } from "@mantine/core";
import { Component, type ReactNode } from "react";

/** Stands in for what could not be drawn. It tells nothing of the error: that could hold data. */
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
          <h1>This page broke</h1>
          <p className="dimmed">
            That is a mistake of the page, not yours. Nothing on the server changed because of it.
          </p>
          <Button onClick={() => window.location.reload()}>Load it again</Button>
        </div>
      </main>
    );
  }
}
