import "virtual:theme-variables.css";
import "./theme/mantine";
import "./theme/fonts.css";
import "./theme/base.css";
import "./theme/parts.css";
import "./theme/history.css";
import "./theme/layout.css";
import "./theme/tables.css";
import "./theme/forms.css";
import "./theme/editor.css";
import "./theme/tryout.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { session } from "./session/session";

const root = document.getElementById("root");
if (root) {
  void session.start();
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
