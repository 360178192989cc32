import { Field, Input } from "@/ui/controls";

import type { Address } from "./checkoutForm";

const FIELDS: readonly { name: keyof Address; label: string; width: string; max: number; complete: string }[] = [
  { name: "street", label: "Street and number", width: "w6", max: 200, complete: "street-address" },
  { name: "zipCode", label: "ZIP code", width: "w2", max: 20, complete: "postal-code" },
  { name: "city", label: "City", width: "w2", max: 200, complete: "address-level2" },
  { name: "state", label: "State", width: "w2", max: 200, complete: "address-level1" },
  { name: "country", label: "Country", width: "w6", max: 200, complete: "country-name" },
];

interface Props {
  address: Address;
  problems: Record<string, string>;
  onChange: (changes: Partial<Address>) => void;
}

export function AddressFields({ address, problems, onChange }: Props) {
  return (
    <div className="fields">
      {FIELDS.map(({ name, label, width, max, complete }) => (
        <Field key={name} label={label} className={width} problem={problems[`shippingAddress.${name}`]}>
          {(field) => (
            <Input
              {...field}
              required
              maxLength={max}
              autoComplete={complete}
              value={address[name]}
              onChange={(event) => onChange({ [name]: event.target.value })}
            />
          )}
        </Field>
      ))}
    </div>
  );
}
