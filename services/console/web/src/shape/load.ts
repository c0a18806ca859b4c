import { shape } from "../gen/shape";

/** The build replaces the shape with its URL. */
type Placeholder = { source?: string };

/** Loads the shape of the API. Pages that show or edit messages load after it. */
export async function loadShape(): Promise<void> {
  const { source } = shape as Placeholder;
  if (!source || shape.messages) return;
  const response = await fetch(source, { credentials: "omit" });
  if (!response.ok) throw new Error("the shape of the contract could not be loaded");
  Object.assign(shape, await response.json());
}
