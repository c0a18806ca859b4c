import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { filled, policyLines, programs } from "./programs";

const template = (program: { url: string }) =>
  readFileSync(path.resolve(import.meta.dirname, path.basename(program.url).replace(/\?.*$/, "")), "utf8");
const endpoint = {
  name: "workspaces/demo/endpoints/bank",
  url: "https://api.bank.test/v1/o'hara/*",
  methods: ["PUT", "POST"],
  encryption: { request: { pgp: {} } },
};
const text = (name: string, more: object = {}) => {
  const program = programs.find((p) => p.name === name) ?? policyLines;
  return filled(template(program), program, { ...endpoint, ...more }, "https://keyward.test");
};

test.each(programs.map((p) => p.name))(
  "the program in %s is of one endpoint, and no place in it is left open",
  (name) => {
    expect(text(name)).toContain("workspaces/demo/endpoints/bank");
    expect(text(name)).not.toMatch(/\{\{|if decrypt|^(#|\/\/)(else|end)$/m);
    // Without anything to open, nothing is decrypted.
    expect(text(name)).toMatch(/decrypt|Decrypt/);
    expect(text(name, { encryption: { request: { pgp: {} }, response: { plain: {} } } })).not.toMatch(
      /Decrypt\b.*exchange|DecryptResponse|keyward\("decrypt"|api decrypt|rpc Decrypt/,
    );
  },
);

test("what an owner typed is quoted", () => {
  expect(text("curl")).toContain(`'https://api.bank.test/v1/o'\\''hara/'`);
  expect(text("curl")).toContain(`"path":"/v1/o'\\''hara/"`);
  expect(text("Java")).toContain(`URI.create("https://api.bank.test/v1/o'hara/" + query)`);
  expect(text("Go", { url: 'https://bank.test/"+evil+"' })).toContain(String.raw`"https://bank.test/\"+evil+\""`);
});

test("the policy names the role, the workspace and the endpoint", () => {
  expect(text("policy")).toContain('role: sender, workspaces: ["demo"], endpoints: ["bank"]');
});
