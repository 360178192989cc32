import { useState } from "react";

import { Button } from "@/ui/controls";

import { isDark, toggleTheme } from "./theme";

export function ThemeButton() {
  const [dark, setDark] = useState(isDark);
  return (
    <Button
      kind="ghost"
      size="small"
      icon={dark ? "sun" : "moon"}
      label={dark ? "Light theme" : "Dark theme"}
      onClick={() => {
        toggleTheme();
        setDark(isDark());
      }}
    />
  );
}
