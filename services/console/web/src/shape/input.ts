import { createContext, useContext, type ComponentType } from "react";
import type { FieldShape } from "./shape";
import type { Json } from "./value";

/** The props of the control for one field. */
export interface InputProps {
  field: FieldShape;
  title: string;
  value: unknown;
  onChange: (value: unknown) => void;
  path: string;
  /** Whether the block around the control already shows the label and the help. */
  inBlock?: boolean;
}

/** The props of a control for several values, which shows each with `Item`. */
export interface ItemsProps extends InputProps {
  Item: ComponentType<InputProps>;
}

/** The props of the editor for a whole message. */
export interface MessageProps {
  /** The full name of the message in the proto. */
  type: string;
  value: Json;
  onChange: (value: Json) => void;
  /** The path of the message in the request, as in violations. */
  path: string;
}

/**
 * The editor for messages inside a field. Fields hold messages and messages hold fields:
 * the editor provides itself here, so that the inputs need not import it.
 */
const MessageContext = createContext<ComponentType<MessageProps> | undefined>(undefined);

export const MessageProvider = MessageContext.Provider;

/** Returns the editor for the messages in this part of the page. */
export function useMessageInput(): ComponentType<MessageProps> {
  const found = useContext(MessageContext);
  if (!found) throw new Error("no message editor around this field");
  return found;
}
