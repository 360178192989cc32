/** Buttons, inputs and what is around them. */
import {
  useId,
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type ReactNode,
  type SelectHTMLAttributes,
} from "react";

import { Icon, type IconName } from "./Icon";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: "plain" | "primary" | "danger" | "ghost";
  size?: "small" | "medium" | "large";
  icon?: IconName;
  /** What it is called, for a button that shows only its icon. */
  label?: string;
}

export function Button({
  kind = "plain",
  size = "medium",
  icon,
  label,
  className = "",
  children,
  ...rest
}: ButtonProps) {
  const bare = children === undefined ? "icon" : "";
  return (
    <button
      type="button"
      className={`button ${kind} ${size} ${bare} ${className}`}
      aria-label={label}
      title={label}
      {...rest}
    >
      {icon !== undefined && <Icon name={icon} size={size === "small" ? 14 : 16} />}
      {children}
    </button>
  );
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  problem?: string | undefined;
  className?: string;
  children: (props: { id: string; "aria-invalid": boolean; "aria-describedby": string | undefined }) => ReactNode;
}

/** A labelled control, with what is wrong with it. */
export function Field({ label, hint, problem, className = "", children }: FieldProps) {
  const id = useId();
  const note = problem ?? hint;
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-invalid": problem !== undefined, "aria-describedby": note ? `${id}-note` : undefined })}
      {note !== undefined && (
        <span id={`${id}-note`} className={problem === undefined ? "hint" : "problem"}>
          {note}
        </span>
      )}
    </div>
  );
}

export function Input({ className = "", ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input className={`input ${className}`} autoComplete="off" {...rest} />;
}

export function Select({ className = "", ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select className={`select ${className}`} {...rest} />;
}

interface SearchProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  placeholder?: string;
  maxLength?: number;
}

export function SearchBox({ label, value, onChange, placeholder = label, maxLength = 100 }: SearchProps) {
  return (
    <div className="search">
      <Icon name="search" />
      <Input
        type="search"
        aria-label={label}
        placeholder={placeholder}
        maxLength={maxLength}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}

interface StepperProps {
  label: string;
  value: number;
  max?: number;
  onChange: (value: number) => void;
}

/** A small whole number, from 1. */
export function Stepper({ label, value, max = 1_000_000, onChange }: StepperProps) {
  return (
    <div className="stepper" role="group" aria-label={label}>
      <button type="button" aria-label="One less" disabled={value <= 1} onClick={() => onChange(value - 1)}>
        −
      </button>
      <input
        type="number"
        aria-label={label}
        min={1}
        max={max}
        value={value}
        onChange={(event) => {
          const wanted = Math.floor(Number(event.target.value));
          if (wanted >= 1 && wanted <= max) onChange(wanted);
        }}
      />
      <button type="button" aria-label="One more" disabled={value >= max} onClick={() => onChange(value + 1)}>
        +
      </button>
    </div>
  );
}
