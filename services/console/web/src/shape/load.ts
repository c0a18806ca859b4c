import { shape } from "../gen/shape";

/** What the build leaves in place of the shape: where it is. */
type Placeholder = { source?: string };

/** Loads the shape of the contract. Pages that show or edit messages come after it. */
export async function loadShape(): Promise<void> {
  const { source } = shape as Placeholder;
  if (!source || shape.messages) return;
  const response = await fetch(source, { credentials: "omit" });
  if (!response.ok) throw new Error("the shape of the contract could not be loaded");
  Object.assign(shape, await response.json());
}
