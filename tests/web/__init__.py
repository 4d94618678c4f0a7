"""The pages' server side: what they ask the database, and what they make of hostile input."""
