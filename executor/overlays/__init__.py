"""What covers a page, and how the page is freed of it without a language model."""
