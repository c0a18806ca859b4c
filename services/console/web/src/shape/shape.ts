/** What the page knows of the messages that it draws an editor for. Written by `npm run gen`. */
export interface Shape {
  messages: Record<string, MessageShape>;
  enums: Record<string, EnumShape>;
}

export interface MessageShape {
  oneofs: OneofShape[];
  fields: FieldShape[];
}

export interface OneofShape {
  name: string;
  required?: boolean;
  words: string;
}

/** A field. Exactly one of `message`, `enum` and `scalar` is set: the type, or that of the elements. */
export interface FieldShape {
  name: string;
  json: string;
  words: string;
  message?: string;
  enum?: string;
  scalar?: "string" | "number" | "bool" | "bytes";
  repeated?: boolean;
  map?: boolean;
  oneof?: string;
  required?: boolean;
  maxLength?: number;
  pattern?: string;
  keyPattern?: string;
  choices?: number[];
  minItems?: number;
  maxItems?: number;
}

export interface EnumShape {
  prefix: string;
  values: { name: string; words: string }[];
}
